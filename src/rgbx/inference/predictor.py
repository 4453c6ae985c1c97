"""From images to a prediction: the only place where a bundle is applied."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch

from rgbx.datasets.images import as_photograph, as_radiograph, read_photograph, read_radiograph
from rgbx.errors import RgbxError
from rgbx.models import bundle
from rgbx.models.bundle import Bundle
from rgbx.models.device import pick_device
from rgbx.models.icam import ICam, ICamOutput
from rgbx.models.transforms import prepare
from rgbx.samples.record import Modality
from rgbx.training.batches import to_unit_range

BATCH = 32


@dataclass(frozen=True)
class View:
    """What one iteration looked at."""

    window: tuple[float, float, float, float]
    """Left, top, right, bottom in 0..1 of the prepared image, the square that the first view shows whole."""
    cam: np.ndarray
    """(h, w) float32 in 0..1: the class activation map of the iteration's class over that window."""
    crop: np.ndarray
    """(H, W, 3) uint8: what the network saw."""


@dataclass(frozen=True)
class Encoded:
    """All that a stream yields for one image."""

    logits: np.ndarray
    """(C,) float32, of the stream alone."""
    fused_input: np.ndarray
    """(K,) float32, what the fusion needs of it."""
    views: tuple[View, ...] = ()
    """One for each iteration, when asked for."""


@dataclass(frozen=True)
class Prediction:
    """The answer for one device."""

    label: str
    probabilities: dict[str, float]
    """By class, in the bundle's order; they sum to 1."""
    streams: dict[Modality, Encoded]
    """Each modality that was given."""


class Predictor:
    """Applies a bundle; get one with :meth:`load`."""

    def __init__(self, loaded: Bundle) -> None:
        self._device = pick_device().torch
        self._transforms = {modality: stream.transform for modality, stream in loaded.header.streams.items()}
        self._network = loaded.network.to(self._device).eval()
        self.classes = loaded.header.classes
        self.modalities: tuple[Modality, ...] = tuple(loaded.header.streams)

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Load the bundle in ``folder``.

        Raises:
            InputError: it is no bundle, or it is damaged.
        """
        return cls(bundle.load(Path(folder)))

    def encode(self, modality: Modality, images: Sequence[np.ndarray | Path], explain: bool = False) -> list[Encoded]:
        """Run one stream on images.

        Args:
            modality: ``"rgb"`` or ``"xray"``.
            images: files, or arrays as ``rgbx.datasets.images`` describes them.
            explain: also return what each iteration looked at.

        Raises:
            RgbxError: the bundle lacks the modality, or an image cannot be read or is of the other modality.
        """
        self._check(modality)
        encoded: list[Encoded] = []
        for start in range(0, len(images), BATCH):
            prepared = np.stack([self.prepare(modality, image) for image in images[start : start + BATCH]])
            encoded += self._run(modality, prepared, explain)
        return encoded

    def respond(self, modality: Modality, prepared: np.ndarray) -> np.ndarray:
        """Return one stream's own probabilities, (n, C), of n images from :meth:`prepare`."""
        self._check(modality)
        parts = np.array_split(prepared, range(BATCH, len(prepared), BATCH))
        logits = np.stack([encoded.logits for part in parts for encoded in self._run(modality, part, explain=False)])
        return torch.softmax(torch.from_numpy(logits).double(), 1).numpy()

    def combine(self, rgb: Encoded | None, xray: Encoded | None) -> Prediction:
        """Fuse what the streams say; with one modality missing the other stream answers alone.

        Raises:
            RgbxError: both are missing.
        """
        given: dict[Modality, Encoded] = {}
        if rgb is not None:
            given["rgb"] = rgb
        if xray is not None:
            given["xray"] = xray
        if not given:
            raise RgbxError("there is no image to classify: give --rgb FILE, --xray FILE or both.")
        logits = self._fused(given) if len(given) == 2 else torch.from_numpy(next(iter(given.values())).logits)
        probabilities = torch.softmax(logits.double(), 0).tolist()
        label = self.classes[int(np.argmax(probabilities))]
        return Prediction(label, dict(zip(self.classes, probabilities, strict=True)), given)

    def predict(
        self, rgb: np.ndarray | Path | None = None, xray: np.ndarray | Path | None = None, explain: bool = False
    ) -> Prediction:
        """Classify one device from a photograph, a radiograph or both.

        Raises:
            RgbxError: no image is given, or one cannot be used.
        """
        return self.combine(
            None if rgb is None else self.encode("rgb", [rgb], explain)[0],
            None if xray is None else self.encode("xray", [xray], explain)[0],
        )

    def prepare(self, modality: Modality, image: np.ndarray | Path) -> np.ndarray:
        """Return an image as the stream gets it, see :func:`rgbx.models.transforms.prepare`.

        Raises:
            RgbxError: it cannot be used.
        """
        if modality == "xray":
            pixels = as_radiograph(image) if isinstance(image, np.ndarray) else read_radiograph(Path(image))
        else:
            pixels = as_photograph(image) if isinstance(image, np.ndarray) else read_photograph(Path(image))
        return prepare(pixels, modality, self._transforms[modality])

    def _check(self, modality: Modality) -> None:
        if modality not in self.modalities:
            have = " and ".join(self.modalities)
            raise RgbxError(f"the bundle knows {have} images only, not '{modality}': give a bundle trained on both.")

    def _run(self, modality: Modality, prepared: np.ndarray, explain: bool) -> list[Encoded]:
        stream: ICam = self._network.streams[modality]  # type: ignore[assignment]
        with torch.inference_mode():
            return _encoded(stream, to_unit_range(torch.from_numpy(prepared).to(self._device)), explain)

    def _fused(self, given: dict[Modality, Encoded]) -> torch.Tensor:
        if self._network.fusion is None:
            raise RgbxError("the bundle holds one stream and cannot fuse two images: train a fusion first.")
        features = {name: torch.from_numpy(each.fused_input)[None].to(self._device) for name, each in given.items()}
        with torch.inference_mode():
            return self._network.fusion(features)[0].cpu()


def _encoded(stream: ICam, source: torch.Tensor, explain: bool) -> list[Encoded]:
    output: ICamOutput = stream(source)
    fused_inputs = stream.aggregate(output.features).float().cpu().numpy()
    logits = output.logits.float().cpu().numpy()
    views = _views(stream, source, output) if explain else [()] * len(logits)
    return [Encoded(*parts) for parts in zip(logits, fused_inputs, views, strict=True)]


def _views(stream: ICam, source: torch.Tensor, output: ICamOutput) -> list[tuple[View, ...]]:
    iterations = output.windows.shape[1]
    crops = stream.images_seen(source, output.windows)
    return [
        tuple(
            View(
                _corners(output.windows[image, place]),
                _unit_range(output.cams[image, place]),
                _to_rgb(crops[place][image]),
            )
            for place in range(iterations)
        )
        for image in range(len(source))
    ]


def _corners(window: torch.Tensor) -> tuple[float, float, float, float]:
    left, top, side = window.tolist()
    return left, top, left + side, top + side


def _unit_range(cam: torch.Tensor) -> np.ndarray:
    low, high = cam.min(), cam.max()
    return ((cam - low) / (high - low).clamp_min(1e-12)).float().cpu().numpy()


def _to_rgb(image: torch.Tensor) -> np.ndarray:
    pixels = (image.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).expand(-1, -1, 3)
    return np.ascontiguousarray(pixels.cpu().numpy())
