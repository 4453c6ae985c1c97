"""A predictor with known errors, and small sets for it: the same protocol as :class:`rgbx.inference.Predictor`."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from rgbx.samples import SampleRecord, SampleSet, SetHeader, write_image

CLASSES = ("A", "B", "C")


@dataclass(frozen=True)
class FakeView:
    window: tuple[float, float, float, float]
    cam: np.ndarray
    crop: np.ndarray


@dataclass(frozen=True)
class FakeEncoded:
    logits: np.ndarray
    fused_input: np.ndarray
    views: tuple[FakeView, ...] = ()
    anomaly_map: None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class FakePrediction:
    label: str
    probabilities: dict[str, float]
    streams: dict[str, FakeEncoded]
    decision: None = None


class FakePredictor:
    """Says what an image's brightest pixel row says: row i bright means class i.

    Fusion trusts whichever stream is surer, so that a right and sure stream repairs a wrong and unsure one.
    """

    def __init__(self, classes=CLASSES, modalities=("rgb", "xray")):
        self.classes = classes
        self.modalities = modalities
        self.seen = []

    @classmethod
    def load(cls, path):
        return cls(modalities=tuple((Path(path) / "bundle.json").read_text().split()))

    def encode(self, modality, images, explain=False):  # noqa: ARG002
        return [self._encode(image, explain) for image in images]

    def _encode(self, image, explain):
        self.seen.append(image)
        pixels = cv2.imread(str(image), cv2.IMREAD_GRAYSCALE) if isinstance(image, Path) else image
        logits = pixels[: len(self.classes), 0].astype(np.float32) / 25
        views = ()
        if explain:
            colour = np.repeat(cv2.resize(pixels, (48, 48))[..., None], 3, axis=2)
            cam = np.zeros((6, 6), np.float32)
            cam[1, 4] = 1.0
            windows = [(0.0, 0.0, 1.0, 1.0), (0.5, 0.0, 1.0, 0.5), (0.6, 0.1, 0.85, 0.35)]
            views = tuple(FakeView(window, cam, colour) for window in windows)
        return FakeEncoded(logits, logits, views)

    def combine(self, rgb=None, xray=None):
        streams = {name: stream for name, stream in (("rgb", rgb), ("xray", xray)) if stream is not None}
        logits = sum(stream.fused_input for stream in streams.values())
        shares = np.exp(logits - logits.max())
        shares = shares / shares.sum()
        probabilities = {name: float(share) for name, share in zip(self.classes, shares, strict=True)}
        return FakePrediction(self.classes[int(logits.argmax())], probabilities, streams)

    def predict(self, rgb=None, xray=None, explain=False):
        shown = {"rgb": rgb, "xray": xray}
        streams = {name: self.encode(name, [image], explain)[0] for name, image in shown.items() if image is not None}
        return self.combine(**streams)


def picture(said: int, strength: int) -> np.ndarray:
    """An image that the fake predictor takes for class ``said``, more surely the higher ``strength``."""
    image = np.full((16, 16), 20, np.uint8)
    image[said] += strength
    return image


@pytest.fixture
def make_set(tmp_path):
    """Make a set from ``(class, unit, class the predictor will say, strength)`` for each image."""

    def make(name, modality, images, classes=CLASSES):
        folder = tmp_path / name
        header = SetHeader(
            modality=modality,
            origin=f"simulated stand-in {modality}",
            seed=0,
            classes=classes,
            config={},
            source="none",
            version="0",
        )
        samples = SampleSet.create(folder, header)
        for number, (label, unit, said, strength) in enumerate(images):
            file_name = f"{label}/{number:06d}.png"
            write_image(folder / file_name, picture(classes.index(said), strength))
            samples.add(SampleRecord(file_name=file_name, label=label, unit=unit, seed=number, draw={}))
        samples.finish()
        return samples

    return make


@pytest.fixture
def predictor():
    return FakePredictor()


@pytest.fixture
def photographs(make_set):
    """Eight images of three classes, two of them wrong and unsure."""
    right = [("A", "A-1", "A", 100), ("A", "A-2", "A", 100), ("B", "B-1", "B", 100), ("B", "B-2", "B", 100)]
    right += [("C", "C-1", "C", 100), ("C", "C-2", "C", 100)]
    return make_set("rgb", "rgb", [*right, ("A", "A-2", "B", 30), ("C", "C-2", "B", 30)])


@pytest.fixture
def radiographs(make_set):
    """Six images, one of them wrong and unsure."""
    right = [("A", "A-1", "A", 100), ("A", "A-2", "A", 100), ("B", "B-1", "B", 100), ("B", "B-2", "B", 100)]
    return make_set("xray", "xray", [*right, ("C", "C-1", "C", 100), ("C", "C-2", "A", 20)])


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    """A bundle on disk that the fake predictor reads."""
    monkeypatch.setattr("rgbx.inference.Predictor", FakePredictor, raising=False)
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "bundle.json").write_text("rgb xray")
    return folder
