"""What a line is set up with: ``line.yaml``."""

from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from rgbx.config import Config, load_config
from rgbx.inference.arrivals import Pairing
from rgbx.modality import MODALITIES, Modality, given_modalities
from rgbx.trust.drift.config import DriftConfig
from rgbx.trust.promotion_rule import PromotionRule
from rgbx_line.contract import LARGEST_WORD
from rgbx_line.log.retention import Retention
from rgbx_line.review_mix import ReviewMix

Port = Annotated[int, Field(ge=0, le=65535)]
"""0 takes a free one, and the log says which."""
LOOPBACK = "127.0.0.1"


class PlantPlace(Config):
    """Where in the plant the line is, after ISA-95; part of every MQTT topic."""

    enterprise: str = "enterprise"
    site: str = "site"
    area: str = "area"
    line: str = "line"
    cell: str = "rgbx"

    @field_validator("enterprise", "site", "area", "line", "cell")
    @classmethod
    def _fits_a_topic(cls, name: str) -> str:
        if not name or any(sign in name for sign in "/+#\0") or name.startswith("$"):
            raise ValueError(f"'{name}' cannot be part of a topic: leave out / + # and a leading $")
        return name


class ImageFolders(Config):
    """Folders that images arrive in."""

    rgb: Path | None = None
    xray: Path | None = None
    pairing: Pairing = Pairing(wait=2.0)
    answered: Literal["keep", "archive", "delete"] = "archive"
    """What becomes of files once their part is answered: ``archive`` moves them to the line's own folder, from where
    they go when they are older than ``retention`` says."""


class DriverSettings(Config):
    """A camera or detector whose driver is a process of the line's."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$")]
    """What the line calls it, in faults and figures."""
    modality: Modality
    """Of its images; each modality has one driver at most, and no folder then."""
    kind: str
    """Which driver: an entry of :data:`rgbx_line.drivers.driver.DRIVERS`."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Its own, as its kind has them."""
    beside: Path = Path()
    """Where paths in ``settings`` begin: the folder of ``line.yaml``."""
    on_trigger: bool = True
    """Whether it takes an image when the controls announce a part. Else it gives images as they come, each with the
    name of its part, or none where images are paired by time."""
    within: PositiveFloat = 0.3
    """Seconds after a trigger within which an image may be begun; later another part may lie there, so none is."""


class UploadLimits(Config):
    """What an image sent over HTTP may be at most."""

    megabytes: PositiveFloat = 64.0
    megapixels: PositiveFloat = 40.0


class WebServer(Config):
    """Health, figures and uploads over HTTP."""

    host: str = LOOPBACK
    port: Port = 8080
    certificate: Path | None = None
    """PEM file; with ``key`` the server speaks TLS alone."""
    key: Path | None = None
    upload: UploadLimits = UploadLimits()

    @model_validator(mode="after")
    def _both_or_none(self) -> "WebServer":
        if (self.certificate is None) != (self.key is None):
            raise ValueError("a certificate needs its key, and a key its certificate: give both or neither")
        return self


class MqttBroker(Config):
    """The broker that results are published to."""

    host: str = LOOPBACK
    port: Port = 1883
    username: str | None = None
    password_file: Path | None = None
    """Its first line; so that the password stands in no configuration."""
    history: Literal["all", "new"] = "new"
    """What a broker gets that is named for the first time: every result that the log holds, or those from the last one
    on. One that was away gets all that it missed."""
    certificates: Path | None = None
    """PEM file of who signs for the broker; with it, TLS."""


class ModbusServer(Config):
    """The contract as registers."""

    host: str = LOOPBACK
    port: Port = 1502
    """502 is Modbus's own, which only an administrator may bind."""
    unit: int = Field(default=1, ge=1, le=247)


class OpcUaServer(Config):
    """The contract, and OPC 40100-1, as an OPC UA server."""

    host: str = LOOPBACK
    port: Port = 4840
    nodeset: Path | None = None
    """``Opc.Ua.MachineVision.NodeSet2.xml`` as the OPC Foundation publishes it; without it, the flat tags alone."""
    anonymous: bool = True
    """Whether who gives no name may read. Nobody may write without one."""
    certificate: Path | None = None
    """Of this server, DER or PEM; one is made in the line's folder when it is missing."""
    key: Path | None = None
    unencrypted: bool = True
    """Whether connections without encryption are let in too, to read. False where the network is not the line's own."""


class DeviceClass(Config):
    """What a device of a class has in it."""

    battery_g: PositiveFloat | None = None
    """Mass of its battery, or of all of them, in grams."""
    chemistry: str | None = None
    """Of the battery, such as ``Li-ion``; masses are added up by it."""

    @model_validator(mode="after")
    def _both_or_none(self) -> "DeviceClass":
        if (self.battery_g is None) != (self.chemistry is None):
            raise ValueError("a battery has a mass and a chemistry: give battery_g and chemistry, or neither")
        return self


class TrainedOn(Config):
    """Sets that the line's models were trained on."""

    rgb: tuple[Path, ...] = ()
    xray: tuple[Path, ...] = ()


class LineSettings(Config):
    """A line: one machine, one belt, one deadline."""

    folder: Path
    """All that the line writes: log, images, models, users."""
    bundle: Path
    """The first model; later ones come in with ``rgbx line model add``."""
    bins: dict[str, Annotated[int, Field(ge=1, le=LARGEST_WORD)]]
    """``BinCode`` of each bin that the model names; 0 is aside. A bin that is missing here is put aside."""
    place: PlantPlace = PlantPlace()
    deadline: PositiveFloat = 5.0
    """Seconds from a part's trigger, or its first image, to its answer."""
    images: ImageFolders = ImageFolders()
    drivers: tuple[DriverSettings, ...] = ()
    """Cameras and detectors that the line itself takes images with."""
    flat: Path | None = None
    """Flat and dark fields of the detector, from ``rgbx flatfield``."""
    inference_cores: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Cores that inference has for itself; half of them, at least one, when empty."""
    web: WebServer | None = WebServer()
    mqtt: MqttBroker | None = None
    modbus: ModbusServer | None = None
    opcua: OpcUaServer | None = None
    keep: Retention = Retention()
    """How long log and images stay."""
    review: ReviewMix = ReviewMix()
    """Which devices people are asked to look at."""
    promotion: PromotionRule | None = PromotionRule()
    """What reviews have to show of a model before it may become the active one; nothing when None."""
    drift: DriftConfig | None = DriftConfig()
    """What is asked of the drift alarm; there is none when None."""
    classes: dict[str, DeviceClass] = Field(default_factory=dict)
    """What is known of device classes beside their looks, for reports."""
    trained_on: TrainedOn = TrainedOn()
    """What the line's models were trained on; the page Models adds a class by full training with these sets alone."""
    zone: str | None = None
    """Time zone of reports, ``Europe/Berlin``; the machine's when None."""
    golden: Path | None = None
    """Folder of known devices, a subfolder ``rgb`` and ``xray`` with files ``CLASS_anything``: a model must answer
    them right before it may become active."""
    restart_within: PositiveInt = 30
    """Seconds from a process's last sign of life to when it runs again: it is killed after half of them."""

    @field_validator("bins")
    @classmethod
    def _apart(cls, bins: dict[str, int]) -> dict[str, int]:
        if len(set(bins.values())) < len(bins):
            raise ValueError("two bins have the same code: give each its own")
        return bins

    @field_validator("zone")
    @classmethod
    def _is_a_zone(cls, zone: str | None) -> str | None:
        if zone is not None and zone not in available_timezones():
            raise ValueError(f"there is no time zone '{zone}': write it as Europe/Berlin")
        return zone

    @model_validator(mode="after")
    def _one_source_each(self) -> "LineSettings":
        folders = given_modalities(self.images.rgb, self.images.xray)
        for place, driver in enumerate(self.drivers):
            before = self.drivers[:place]
            if driver.name in (each.name for each in before):
                raise ValueError(f"two drivers are called '{driver.name}': give each its own name")
            if driver.modality in folders or driver.modality in (each.modality for each in before):
                raise ValueError(
                    f"the driver '{driver.name}' is not the only source of {driver.modality} images: "
                    "name one driver, or one folder under images"
                )
        return self

    @model_validator(mode="after")
    def _waits_less_than_the_deadline(self) -> "LineSettings":
        both = len(self.hot_folders) == len(MODALITIES)
        if both and self.images.pairing.wait >= self.deadline:
            raise ValueError(
                f"a part of one image is late before it is answered, since the wait for the second "
                f"({self.images.pairing.wait:g} s) is no shorter than the deadline ({self.deadline:g} s): lower "
                "images.pairing.wait or raise deadline"
            )
        return self

    @property
    def hot_folders(self) -> dict[Modality, Path]:
        """Where images arrive, by modality: the folders that are named, and those that drivers write to."""
        folders = given_modalities(self.images.rgb, self.images.xray)
        driven = LineFolder(self.folder).driven
        folders |= {driver.modality: driven / driver.modality for driver in self.drivers}
        return {modality: folders[modality] for modality in MODALITIES if modality in folders}

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Of the images that parts may have: those that there are folders for, else both, over HTTP."""
        return tuple(self.hot_folders) or MODALITIES


class LineFolder:
    """Where things are in a line's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.socket = folder / "line.sock"
        self.cursors = folder / "cursors"
        self.archive = folder / "images"
        self.uploads = folder / "uploads"
        self.driven = folder / "driven"
        """Images that drivers took, a folder for each modality, until their part is answered."""
        self.models = folder / "models"
        self.jobs = folder / "jobs"
        self.users = folder / "users.json"
        self.opcua = folder / "opcua"
        """Certificates: its own, and ``trusted``."""
        self.modbus = folder / "modbus.json"
        """The counter of the trigger that a controller wrote last over Modbus."""
        self.drift = folder / "drift"
        """What the drift alarm has learnt, and what it says."""
        self.outlook = folder / "outlook.json"
        """What will go by age or for room, and when; written once a day."""
        self.status = folder / "status.json"
        """Written by the supervisor once a second: which processes run, and what was restarted."""


def read_settings(file: Path) -> LineSettings:
    """Read a line's settings; paths in them are from the file's folder on.

    Raises:
        RgbxError: the file is missing or cannot be used.
    """
    settings = load_config(LineSettings, file)
    return LineSettings.model_validate(paths_from(file.resolve().parent, settings.model_dump()))


def paths_from(folder: Path, value: Any) -> Any:
    """Return a value, or a mapping of values, with every path in it taken from a folder on."""
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, dict):
        return {key: paths_from(folder, each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(paths_from(folder, each) for each in value)
    return value
