"""Choosing what a bundle remembers of its training: a few images of each class, as many of each unit as can be."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from rgbx.datasets.labelled import READERS, LabelledImages
from rgbx.files import sha256
from rgbx.modality import Modality
from rgbx.models.icam import ICam
from rgbx.models.localiser import in_torch
from rgbx.models.memory import ImageSource, Memory, Remembered, one_of_each
from rgbx.models.network import RgbXNetwork
from rgbx.models.stream_config import StreamConfig
from rgbx.processes import in_threads
from rgbx.samples import SampleRecord, SampleSet
from rgbx.training.encoding import encode_features
from rgbx.view.transform import Transform

BYTES_PER_CLASS = 150_000
"""Of each modality: 3 MB in all for ten classes of both."""
THUMBNAIL_SIDE, THUMBNAIL_QUALITY = 160, 75
_THUMBNAIL_BYTES = 2500
_LEAST, _MOST = 8, 64


class EncodedImages(NamedTuple):
    """Images as a stream sees them, with what it makes of them."""

    prepared: LabelledImages
    remembered: Remembered


def remember(
    network: RgbXNetwork,
    streams: Mapping[Modality, StreamConfig],
    classes: tuple[str, ...],
    sets: Mapping[Modality, Sequence[SampleSet]],
) -> Memory:
    """Return what a trained network shall remember of its training.

    Args:
        network: trained; it is on the CPU afterwards.
        streams: how its streams are configured.
        classes: in the network's order.
        sets: that it was trained on, by modality.
    """
    images = {}
    for modality, config in streams.items():
        stream: ICam = network.streams[modality]  # type: ignore[assignment]
        count = images_per_class(stream.classifier.in_features)
        images[modality] = encode_images(stream, config, classes, sets[modality], count).remembered
    network.cpu()
    return Memory(classes, images, {modality: sources_of(sets[modality]) for modality in streams})


def images_per_class(channels: int) -> int:
    """Return how many images of each class are remembered of a stream with so many feature channels."""
    return min(max(BYTES_PER_CLASS // (2 * channels + _THUMBNAIL_BYTES), _LEAST), _MOST)


def sources_of(sets: Sequence[SampleSet]) -> tuple[ImageSource, ...]:
    """Return how the images of some sets came about, each way once."""
    found = [ImageSource.of(samples.header.origin, samples.header.config) for samples in sets]
    return tuple({each.digest(): each for each in found}.values())


def encode_images(
    stream: ICam,
    config: StreamConfig,
    classes: tuple[str, ...],
    sets: Sequence[SampleSet],
    per_class: int | None = None,
) -> EncodedImages:
    """Return images of some sets as a stream sees them, not augmented.

    Args:
        stream: trained.
        config: of the stream.
        classes: whose images are taken, in the order of the labels.
        sets: of the stream's modality.
        per_class: at most so many of each class, of all sets and units in turn; all when None.

    Raises:
        InputError: an image is missing or cannot be read.
    """
    modality = config.modality
    found: dict[str, dict[tuple[int, str], list[tuple[Path, SampleRecord]]]] = {name: {} for name in classes}
    for number, samples in enumerate(sets):
        for record in samples:
            if record.label in found:
                of_unit = found[record.label].setdefault((number, record.unit), [])
                of_unit.append((samples.path(record), record))
    chosen = [item for of_class in found.values() for item in one_of_each(list(of_class.values()))[:per_class]]
    localiser = stream.localiser
    transform = Transform(modality, config.transform, None if localiser is None else in_torch(localiser))  # type: ignore[arg-type]
    pixels = in_threads(lambda item: transform(READERS[modality](item[0])), chosen)
    labels = np.array([classes.index(record.label) for _, record in chosen], dtype=np.int64)
    units = tuple(record.unit for _, record in chosen)
    prepared = LabelledImages(modality, classes, np.stack(pixels), labels, units)
    features = encode_features(stream, prepared, None, views=1, seed=0)[0].numpy()
    fingerprints = tuple(in_threads(lambda item: sha256(item[0]), chosen))
    return EncodedImages(prepared, Remembered(features, labels, units, fingerprints, tuple(map(thumbnail, pixels))))


def thumbnail(prepared: np.ndarray) -> bytes:
    """Return a JPEG of a prepared image, its longest side 160 pixels.

    Args:
        prepared: (H, W) uint16 or (H, W, 3) uint8, from :class:`rgbx.view.transform.Transform`.
    """
    shown = (prepared >> 8).astype(np.uint8) if prepared.dtype == np.uint16 else prepared[..., ::-1]
    scale = THUMBNAIL_SIDE / max(shown.shape[:2])
    size = tuple(max(1, round(side * scale)) for side in shown.shape[1::-1])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(np.ascontiguousarray(shown), size, interpolation=method)
    encoded, content = cv2.imencode(".jpg", resized, [cv2.IMWRITE_JPEG_QUALITY, THUMBNAIL_QUALITY])
    assert encoded, "OpenCV encodes any picture of 8 bits"
    return content.tobytes()
