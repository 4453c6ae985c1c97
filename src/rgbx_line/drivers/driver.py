"""What the driver of a camera or detector is; it knows nothing of the line."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import numpy as np

from rgbx.config import Config
from rgbx.modality import Modality
from rgbx.registry import Registry
from rgbx_line.settings import DriverSettings, paths_from

DRIVERS: Registry[Any] = Registry(
    "driver", "rgbx.drivers", {"simulated": "rgbx_line.drivers.simulated:SimulatedDriver"}
)
"""Subclasses of :class:`Driver`: what takes images with a camera or detector."""


@dataclass(frozen=True)
class TakenImage:
    """An image as a camera or detector gave it."""

    pixels: np.ndarray
    """A photograph: (H, W, 3) uint8 or uint16, in RGB order. A radiograph: (H, W) uint16 or uint8, linear in detected
    intensity, open beam bright."""
    taken: datetime
    """When it was taken, with a time zone."""
    part_id: str | None = None
    """Of which part it is, where the driver knows that by itself; not asked where an image was taken on a trigger."""


class Driver(ABC):
    """Takes images with one camera or detector.

    All its methods are called one after the other, in a process that does nothing else. One that has not returned
    after half of ``restart_within`` hangs: the process is killed and started again. Whatever they raise is a fault of
    the line, in the error's own words, until the camera could be opened again.

    Args:
        settings: of the class's own ``Settings``.
        modality: of the images.
    """

    Settings: ClassVar[type[Config]] = Config
    """What it is set up with: a subclass of :class:`rgbx.config.Config`; paths in it are from ``line.yaml`` on."""

    def __init__(self, settings: Any, modality: Modality) -> None:
        self.settings = settings
        self.modality = modality

    @abstractmethod
    def connect(self) -> None:
        """Connect to the camera, ready to take images. Import what only it needs in here."""

    def take(self, part_id: str) -> TakenImage:
        """Take an image of a part, now. It is the part's, so one that was taken before must never be returned.

        Args:
            part_id: the part's name, which most drivers need not know.
        """
        raise NotImplementedError(f"it takes no image on a trigger ('{part_id}'): set on_trigger to false")

    def wait(self, seconds: float) -> TakenImage | None:
        """Wait for an image that comes by itself.

        Args:
            seconds: after which to return None where none has come.
        """
        raise NotImplementedError(f"no image comes by itself, within {seconds:g} s or ever: set on_trigger to true")

    def close(self) -> None:  # noqa: B027 (most have nothing to do)
        """Let go of the camera; also of one that was opened by half."""


def made_driver(settings: DriverSettings) -> Driver:
    """Return the driver that settings name, not opened yet.

    Raises:
        MissingPluginError: there is none of this kind.
        ConfigError: its own settings cannot be used.
    """
    kind: type[Driver] = DRIVERS[settings.kind]
    own = kind.Settings.model_validate(settings.settings)
    # Only the driver's own class says which of its settings are paths.
    return kind(kind.Settings.model_validate(paths_from(settings.beside, own.model_dump())), settings.modality)


def can_serve(driver: Driver, on_trigger: bool) -> bool:
    """Return whether a driver has the one of ``take`` and ``wait`` that is going to be called."""
    name = "take" if on_trigger else "wait"
    return getattr(type(driver), name) is not getattr(Driver, name)
