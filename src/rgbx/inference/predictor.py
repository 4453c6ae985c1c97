"""From images to a prediction: the only place where a bundle is applied."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from rgbx.datasets.acquisition import Acquisition, acquisition_of, time_taken
from rgbx.datasets.flat_field import FlatField
from rgbx.datasets.images import as_photograph, as_radiograph, read_photograph, read_radiograph
from rgbx.datasets.polarity import inverted_warning, looks_inverted
from rgbx.errors import InputError, RgbxError
from rgbx.inference.early_exit import EarlyExit
from rgbx.inference.runtimes import Mode, RuntimeName, StreamRuntime
from rgbx.inference.streams import open_streams
from rgbx.modality import Channel, Modality, given_modalities
from rgbx.models.fusion import Fusion
from rgbx.models.header import read_bundle_header
from rgbx.models.stream_config import Precision
from rgbx.names import printable
from rgbx.processes import cores
from rgbx.trust.calibration import Computation
from rgbx.trust.decision import AnomalyMap, Decision
from rgbx.trust.drift.looks import look_of
from rgbx.trust.judge import Answer, Judge
from rgbx.trust.layout import layout_of
from rgbx.trust.ood import Shown
from rgbx.trust.probabilities import probabilities
from rgbx.view.transform import Transform, as_input

BATCH = 32
ImageLike = NDArray[Any] | Path | str
"""An image in memory, or its file."""


@dataclass(frozen=True)
class View:
    """What one iteration looked at."""

    window: tuple[float, float, float, float]
    """Left, top, right, bottom in 0..1 of the prepared image, which the first view shows whole."""
    cam: NDArray[np.float32]
    """(h, w), in 0..1: the class activation map of the iteration's class over that window."""
    crop: NDArray[np.uint8]
    """(H, W, 3): what the network saw."""


@dataclass(frozen=True)
class Looked:
    """Where a stream looked, and where it found what it says: small enough to be kept with each answer."""

    place: NDArray[np.float64]
    """(2, 3): pixels (x, y, 1) of the prepared image to pixels of the one that was given."""
    shape: tuple[int, int]
    """(H, W) of the prepared image."""
    windows: NDArray[np.float32]
    """(n, 4): left, top, right, bottom of what each iteration saw, in 0..1 of the prepared image."""
    cams: tuple[NDArray[np.uint8], ...]
    """n maps (h, w), 0 to 255: the class activation map of each iteration's class over its window."""


@dataclass(frozen=True)
class Encoded:
    """All that a stream yields for one image."""

    logits: NDArray[np.float32]
    """(C,), of the stream alone."""
    fused_input: NDArray[np.float32]
    """(K,), what the fusion needs of it."""
    iterations: int
    """How often the stream looked: as often as it can, or less with early exit."""
    views: tuple[View, ...] = ()
    """One for each iteration, when asked for."""
    layout: NDArray[np.float32] | None = None
    """(48, 48), of a radiograph (:func:`rgbx.trust.layout.layout_of`)."""
    anomaly_map: AnomalyMap | None = None
    """Where a radiograph differs from known ones, when asked for and the bundle was calibrated to tell."""
    found: bool = True
    """Whether a device was found in the image; else all of it was looked at."""
    acquisition: Acquisition | None = None
    """What is known of how a radiograph was taken."""
    warnings: tuple[str, ...] = ()
    """What is doubtful about the image, a sentence each."""
    looked: Looked | None = None
    """Where the stream looked."""
    look: Mapping[str, float] = field(default_factory=dict)
    """What the camera or detector makes of any device (:mod:`rgbx.trust.drift.looks`): the drift alarm watches it."""

    @property
    def shown(self) -> Shown:
        """What it may be told from unknown devices by."""
        return Shown(self.fused_input[None], None if self.layout is None else self.layout[None])


@dataclass(frozen=True)
class Prediction:
    """The answer for one device."""

    label: str
    probabilities: dict[str, float]
    """By class, in the bundle's order; they sum to 1."""
    streams: dict[Modality, Encoded]
    """Each modality that was given."""
    decision: Decision | None = None
    """What to do with the device; None from a bundle that was not calibrated."""

    @property
    def cams(self) -> dict[Modality, NDArray[np.float32]]:
        """The class activation maps of each stream, (n, h, w) in 0..1, one for each of its n iterations.

        Raises:
            RgbxError: the device was predicted with ``explain=False``.
        """
        return {modality: np.stack([view.cam for view in views]) for modality, views in self._views().items()}

    @property
    def crops(self) -> dict[Modality, NDArray[np.uint8]]:
        """What each iteration of each stream saw, (n, H, W, 3).

        Raises:
            RgbxError: the device was predicted with ``explain=False``.
        """
        return {modality: np.stack([view.crop for view in views]) for modality, views in self._views().items()}

    def _views(self) -> dict[Modality, tuple[View, ...]]:
        views = {modality: encoded.views for modality, encoded in self.streams.items()}
        if not all(views.values()):
            raise RgbxError("Maps and crops were not kept: predict with explain=True.")
        return views

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is doubtful about the images, a sentence each."""
        return tuple(warning for encoded in self.streams.values() for warning in encoded.warnings)


class Predictor:
    """Applies a bundle; get one with :meth:`load`."""

    def __init__(
        self,
        classes: tuple[str, ...],
        transforms: Mapping[Modality, Transform],
        streams: Mapping[Modality, StreamRuntime],
        fusion: Fusion | Callable[[Mapping[Modality, np.ndarray]], np.ndarray] | None = None,
        judge: Judge | None = None,
        flat_field: FlatField | None = None,
        at_once: bool = False,
        weights_sha256: str = "",
    ) -> None:
        self._transforms = transforms
        self._streams = streams
        self._fusion = fusion
        self._judge = judge
        self._flat_field = flat_field
        # Threads stay: OpenCV keeps a little of each that it has met for good, and OpenVINO sets up anew for it.
        self._readers = ThreadPoolExecutor(cores(), "readers")
        self._threads = ThreadPoolExecutor(2) if at_once else None
        self.weights_sha256 = weights_sha256
        """Of the bundle; empty for networks in memory."""
        self.classes = classes
        self.modalities: tuple[Modality, ...] = tuple(transforms)

    @classmethod
    def load(
        cls,
        folder: Path | str,
        runtime: RuntimeName | None = None,
        precision: Precision | None = None,
        mode: Mode = "latency",
        early_exit: float | None = None,
        flat_field: FlatField | None = None,
        decides: bool = True,
    ) -> Self:
        """Load the bundle in ``folder``.

        Args:
            folder: of the bundle.
            runtime: what computes; when None, OpenVINO or ONNX Runtime if the bundle was exported for it and it is
                installed, else torch.
            precision: of OpenVINO's arithmetic; others compute in float32 only. When None, what the bundle was
                calibrated with, float32 if it was not.
            mode: what to be fast with: one image, many, or both of a device. Torch knows the first only, ONNX Runtime
                not the second.
            early_exit: stop looking closer at an image once a class has at least this probability, in 0..1. When None,
                what the bundle was calibrated with; if it was not, every image has all iterations.
            flat_field: of the detector; what every radiograph is corrected with first.
            decides: whether to use the bundle's calibration, if it has one.

        Raises:
            InputError: it is no bundle, it is damaged, or it was not exported for the runtime.
            MissingToolError: the runtime is not installed.
            RgbxError: the runtime or the processor lacks the precision, or the bundle was calibrated on answers that
                were computed otherwise.
        """
        folder = Path(folder)
        judge = Judge.read(folder, read_bundle_header(folder)) if decides else None
        calibrated = judge.computation if judge is not None else Computation()
        asked = Computation(
            precision=precision or calibrated.precision,
            early_exit=calibrated.early_exit if early_exit is None else early_exit,
        )
        if judge is not None and asked != calibrated:
            raise RgbxError(
                f"{folder} was calibrated on answers {calibrated}, and answers {asked} are surer or less sure: leave "
                "out --precision and --early-exit, or run 'rgbx calibrate' with the same ones."
            )
        header, streams, transforms = open_streams(folder, runtime, asked.precision, mode, asked.early_exit)
        fusion = Fusion.read(folder) if header.fused else None
        at_once, digest = mode == "pairs", header.weights_sha256
        return cls(header.classes, transforms, streams, fusion, judge, flat_field, at_once, digest)

    def encode(self, modality: Modality, images: Sequence[ImageLike], explain: bool = False) -> list[Encoded]:
        """Run one stream on images.

        Args:
            modality: ``"rgb"`` or ``"xray"``.
            images: files, or arrays as ``rgbx.datasets.images`` describes them.
            explain: also return what each iteration looked at.

        Raises:
            RgbxError: the bundle lacks the modality, or an image cannot be read or is of the other modality.
        """
        encoded = self.encode_each(modality, images, explain)
        for each in encoded:
            if isinstance(each, InputError):
                raise each
        return [each for each in encoded if isinstance(each, Encoded)]

    def encode_each(
        self, modality: Modality, images: Sequence[ImageLike], explain: bool = False
    ) -> list[Encoded | InputError]:
        """Run one stream on images, of which some may be of no use.

        Args:
            modality: ``"rgb"`` or ``"xray"``.
            images: files, or arrays as ``rgbx.datasets.images`` describes them.
            explain: also return what each iteration looked at.

        Returns:
            What the stream says of each image, or why it cannot be used.

        Raises:
            RgbxError: the bundle lacks the modality.
        """
        self._check(modality)

        def prepare(image: ImageLike) -> _Prepared | InputError:
            try:
                return self._prepare(modality, image)
            except InputError as error:
                return error

        encoded: list[Encoded | InputError] = []
        for start in range(0, len(images), BATCH):
            batch = images[start : start + BATCH]
            prepared = list(self._readers.map(prepare, batch))
            usable = {place: made for place, made in enumerate(prepared) if isinstance(made, _Prepared)}
            shown = [batch[place] for place in usable]
            said = dict(zip(usable, self._run(modality, shown, list(usable.values()), explain), strict=True))
            encoded += [made if isinstance(made, InputError) else said[place] for place, made in enumerate(prepared)]
        return encoded

    def respond(self, modality: Modality, prepared: np.ndarray) -> np.ndarray:
        """Return one stream's own probabilities, (n, C), of n images from :meth:`prepare`."""
        self._check(modality)
        parts = np.array_split(prepared, range(BATCH, len(prepared), BATCH))
        return probabilities(np.concatenate([self._streams[modality](as_input(part)).logits for part in parts]))

    def respond_by_iteration(self, modality: Modality, prepared: np.ndarray) -> np.ndarray:
        """Return what :meth:`respond` would say after each iteration, (n, iterations, C), to choose ``early_exit`` by.

        Raises:
            RgbxError: the predictor was loaded without early exit.
        """
        self._check(modality)
        stream = self._streams[modality]
        if not isinstance(stream, EarlyExit):
            raise RgbxError("Answers of single iterations need early exit: load the bundle with early_exit=1.0.")
        parts = np.array_split(prepared, range(BATCH, len(prepared), BATCH))
        return np.concatenate([stream.respond_by_iteration(as_input(part)) for part in parts])

    def combine(self, rgb: Encoded | None, xray: Encoded | None) -> Prediction:
        """Fuse what the streams say; with one modality missing the other stream answers alone.

        With a calibrated bundle probabilities are calibrated and there is a decision.

        Raises:
            RgbxError: both are missing.
        """
        given = given_modalities(rgb, xray)
        if not given:
            raise RgbxError("there is no image to classify: give --rgb FILE, --xray FILE or both.")
        logits = self.fuse(given)
        label = self.classes[int(np.argmax(logits))]
        decision = None
        if self._judge is None:
            shares = probabilities(logits)
        else:
            channel: Channel = "rgbx" if len(given) == 2 else next(iter(given))
            shares = self._judge.probabilities(channel, logits)
            answers = {modality: Answer(each.logits, each.shown, each.found) for modality, each in given.items()}
            decision = self._judge.decide(channel, logits, answers)
        return Prediction(label, dict(zip(self.classes, shares.tolist(), strict=True)), given, decision)

    def alone(self, modality: Modality, encoded: Encoded) -> dict[str, float]:
        """Return what one stream says by itself: a probability for each class, calibrated where the bundle is."""
        if self._judge is None:
            shares = probabilities(encoded.logits)
        else:
            shares = self._judge.probabilities(modality, encoded.logits)
        return dict(zip(self.classes, shares.tolist(), strict=True))

    def is_right_bin(self, bin: str, label: str) -> bool:
        """Return whether a device of class ``label`` belongs in a bin; of calibrated bundles."""
        return self._judge is not None and self._judge.is_right(bin, label)

    def fuse(self, given: Mapping[Modality, Encoded]) -> np.ndarray:
        """Return the (C,) logits of what one stream, or both, say of a device.

        Raises:
            RgbxError: both were given to a bundle with one stream.
        """
        if len(given) == 1:
            return next(iter(given.values())).logits
        if self._fusion is None:
            raise RgbxError("the bundle holds one stream and cannot fuse two images: train a fusion first.")
        return self._fusion({name: each.fused_input for name, each in given.items()})

    def predict(self, rgb: ImageLike | None = None, xray: ImageLike | None = None, explain: bool = True) -> Prediction:
        """Classify one device from a photograph, a radiograph or both.

        Args:
            rgb: photograph, a file or an array as ``rgbx.datasets.images`` describes it.
            xray: radiograph, the same.
            explain: also keep what each iteration saw and where it found its evidence; a line that needs none of it
                saves a little time without.

        Raises:
            RgbxError: no image is given, or one cannot be used.
        """
        images: dict[Modality, ImageLike] = given_modalities(rgb, xray)
        for modality in images:
            self._check(modality)
        modalities = list(images)
        read = self._readers.map(lambda each: self._prepare(each, images[each]), modalities)
        prepared = dict(zip(modalities, read, strict=True))

        def encode(modality: Modality) -> Encoded:
            return self._run(modality, [images[modality]], [prepared[modality]], explain)[0]

        found = self._threads.map(encode, modalities) if self._threads else map(encode, modalities)
        given = dict(zip(modalities, found, strict=True))
        return self.combine(given.get("rgb"), given.get("xray"))

    def prepare(self, modality: Modality, image: ImageLike) -> np.ndarray:
        """Return an image as the stream gets it, see :class:`rgbx.view.transform.Transform`.

        Raises:
            RgbxError: it cannot be used.
        """
        return self._prepare(modality, image).pixels

    def _prepare(self, modality: Modality, image: ImageLike) -> "_Prepared":
        inverted = False
        if modality == "xray":
            pixels = as_radiograph(image) if isinstance(image, np.ndarray) else read_radiograph(Path(image))
            if self._flat_field is not None:
                pixels = _flattened(pixels, image, self._flat_field)
            inverted = looks_inverted(pixels)
        else:
            pixels = as_photograph(image) if isinstance(image, np.ndarray) else read_photograph(Path(image))
        seen = self._transforms[modality].see(pixels)
        sought = self._transforms[modality].looks_for_a_device
        return _Prepared(seen.pixels, inverted, seen.found or not sought, seen.place, look_of(modality, pixels))

    def _check(self, modality: Modality) -> None:
        if modality not in self.modalities:
            have = " and ".join(self.modalities)
            raise RgbxError(f"the bundle knows {have} images only, not '{modality}': give a bundle trained on both.")

    def _run(
        self, modality: Modality, images: Sequence[ImageLike], prepared: Sequence["_Prepared"], explain: bool
    ) -> list[Encoded]:
        if not images:
            return []
        output = self._streams[modality](as_input(np.stack([each.pixels for each in prepared])), crops=explain)
        views: Sequence[tuple[View, ...]] = [()] * len(prepared)
        if output.crops is not None:
            views = [_views(*each) for each in zip(output.windows, output.cams, output.crops, strict=True)]
        iterations = [len(windows) for windows in output.windows]
        looked = map(_looked, prepared, output.windows, output.cams)
        outputs = output.logits, output.fused_input, iterations, views, looked
        encoded = [
            _noted(Encoded(logits, fused, count, seen, looked=where), modality, image, made)
            for logits, fused, count, seen, where, image, made in zip(*outputs, images, prepared, strict=True)
        ]
        if modality == "rgb":
            return encoded
        judge = self._judge if explain else None
        return [
            replace(
                each,
                layout=layout_of(pixels),
                anomaly_map=judge.anomaly_map(pixels) if judge is not None else None,
            )
            for each, (pixels, *_) in zip(encoded, prepared, strict=True)
        ]


class _Prepared(NamedTuple):
    """An image as a stream gets it."""

    pixels: np.ndarray
    inverted: bool
    """Whether it is a radiograph that looks inverted."""
    found: bool
    """Whether a device was found, where the transform looks for one."""
    place: np.ndarray
    """(2, 3): its pixels to those of the image."""
    look: Mapping[str, float]
    """See :func:`rgbx.trust.drift.looks.look_of`."""


def _noted(encoded: Encoded, modality: Modality, image: ImageLike, prepared: _Prepared) -> Encoded:
    """Say with an answer what is known, and what is doubtful, about the image."""
    acquisition = acquisition_of(image) if modality == "xray" else None
    name = _name(image, modality)
    warnings = [] if acquisition is None else list(acquisition.warnings(name))
    if prepared.inverted:
        warnings.append(inverted_warning(name))
    if not prepared.found:
        warnings.append(f"{printable(name)} shows no device, so all of it was looked at: is it in the picture?")
    return replace(encoded, found=prepared.found, acquisition=acquisition, warnings=tuple(warnings), look=prepared.look)


def _flattened(pixels: np.ndarray, radiograph: ImageLike, flat_field: FlatField) -> np.ndarray:
    """Correct a radiograph; an array is taken to be of now."""
    taken = datetime.now(UTC) if isinstance(radiograph, np.ndarray) else time_taken(Path(radiograph))
    return flat_field.correct(pixels, acquisition_of(radiograph), taken, _name(radiograph, "xray"))


def _name(image: ImageLike, modality: Modality) -> Path | str:
    what = {"xray": "the radiograph", "rgb": "the photograph"}
    return what[modality] if isinstance(image, np.ndarray) else image


def _looked(prepared: _Prepared, windows: np.ndarray, cams: np.ndarray) -> Looked:
    height, width = prepared.pixels.shape[:2]
    return Looked(
        prepared.place,
        (height, width),
        np.array([_corners(window) for window in windows], np.float32),
        tuple((255 * _unit_range(cam)).round().astype(np.uint8) for cam in cams),
    )


def _views(windows: np.ndarray, cams: np.ndarray, crops: np.ndarray) -> tuple[View, ...]:
    return tuple(
        View(_corners(window), _unit_range(cam), _to_rgb(crop))
        for window, cam, crop in zip(windows, cams, crops, strict=True)
    )


def _corners(window: np.ndarray) -> tuple[float, float, float, float]:
    left, top, side = window.tolist()
    return left, top, left + side, top + side


def _unit_range(cam: np.ndarray) -> np.ndarray:
    low, high = cam.min(), cam.max()
    return (cam - low) / max(high - low, 1e-12)


def _to_rgb(crop: np.ndarray) -> np.ndarray:
    """Return a (1 or 3, H, W) float32 crop in 0..1 as (H, W, 3) uint8."""
    pixels = (crop.clip(0, 1) * 255).round().astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(pixels, (3, *pixels.shape[1:])).transpose(1, 2, 0))
