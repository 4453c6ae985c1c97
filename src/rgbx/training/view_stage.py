"""Before stage one: how the devices of a library are seen, and for photographs what finds them."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rgbx.datasets.labelled import READERS
from rgbx.models.localiser import Localiser, in_torch
from rgbx.processes import in_threads
from rgbx.samples import SampleSet
from rgbx.training.localiser_stage import outlined, train_localiser
from rgbx.training.settings import StreamTraining
from rgbx.view.transform import Transform, TransformConfig
from rgbx.view.ways import References

LEAST_ASPECT = 1.25
"""Height over width from which devices have a long side to set upright."""
MEASURED = 256
"""Training images, at most, in which devices are measured."""
PICTURED = 32
"""Training radiographs of each class, at most, that show how its devices lie."""


class FittedView(NamedTuple):
    """How images are prepared for a stream that is trained."""

    config: StreamTraining
    """With all that was left open about the view."""
    transform: Transform
    localiser: Localiser | None
    """Of photographs that are set upright."""


def fit_view(
    config: StreamTraining,
    sets: Sequence[SampleSet],
    out: Path,
    localiser: Localiser | None = None,
    start: TransformConfig | None = None,
) -> FittedView:
    """Find out how to see the devices of some sets, where the configuration leaves it open; a line says what came out.

    - Their middle height over width becomes that of an upright view.
    - Devices about as long as wide lie at any angle: they get a square view.
    - Photographs need a localiser: the given one, or outlines to train one on; without any they are seen whole.
    - Upright radiographs are turned to lie as those of their class do, and mirrored where a device lies on its face.

    Args:
        config: of the stream's training.
        sets: what it is trained on.
        out: the run's folder, where a localiser that is trained is kept.
        localiser: trained before.
        start: how the network to go on from sees devices; they lie as it knows them.

    Raises:
        InputError: an image cannot be read.
    """
    modality, view = config.stream.modality, config.stream.transform
    if config.stream.localises and localiser is None:
        if outlined(sets):
            localiser = train_localiser(config.localiser, sets, out)
        else:
            _say(
                "no photograph says where its device is, so all of each is seen; render them again for an upright view"
            )
            view = view.updated({"view": "none"})
    localise = None if localiser is None else in_torch(localiser)
    if view.view == "upright" and view.aspect is None:
        view = _fitted(view, measured_aspect(sets, Transform(modality, view, localise)))
    if not (view.view == "upright" and modality == "rgb"):
        localise = localiser = None
    transform = Transform(modality, view, localise)
    if modality == "xray" and view.view == "upright" and (start is None or start.references):
        like = References.of(start.references) if start is not None else None
        view = view.updated({"references": known_ways(sets, transform, like).to_text()})
        transform = Transform(modality, view)
    if view != config.stream.transform:
        height, width = view.source_shape
        _say(f"{modality} images are seen {view.view if view.view != 'none' else 'whole'}, {height} × {width} pixels")
    settled = config.updated({"stream.transform": view, "augment": config.augment.for_view(view)})
    return FittedView(settled, transform, localiser)


def measured_aspect(sets: Sequence[SampleSet], transform: Transform) -> float | None:
    """Return the middle one of height over width of the devices in some images; None where most show none."""
    paths = [samples.path(record) for samples in sets for record in samples]
    chosen = paths[:: -(-len(paths) // MEASURED)]
    found = in_threads(lambda path: transform.find(READERS[transform.modality](path)), chosen)
    aspects = [each.aspect for each in found if each is not None]
    return round(float(np.median(aspects)), 2) if len(aspects) > len(chosen) / 2 else None


def known_ways(sets: Sequence[SampleSet], transform: Transform, like: References | None) -> References:
    """Return what the devices of each class look like, all lying the same way.

    Args:
        sets: radiographs.
        transform: sets them upright.
        like: what has been known of some before.
    """
    paths: dict[str, list[Path]] = {}
    for samples in sets:
        for record in samples:
            paths.setdefault(record.label, []).append(samples.path(record))
    chosen = [(name, path) for name in sorted(paths) for path in paths[name][:: -(-len(paths[name]) // PICTURED)]]
    seen = in_threads(lambda each: transform.see(READERS["xray"](each[1])), chosen)
    found = [(each.pixels, name) for each, (name, _) in zip(seen, chosen, strict=True) if each.found]
    return References.fit([pixels for pixels, _ in found], [name for _, name in found], like)


def _fitted(view: TransformConfig, aspect: float | None) -> TransformConfig:
    if aspect is None:
        return view.updated({"view": "none"})
    if aspect < LEAST_ASPECT:
        return view.updated({"view": "square"})
    return view.updated({"aspect": aspect})


def _say(what: str) -> None:
    print(f"view: {what}", file=sys.stderr)
