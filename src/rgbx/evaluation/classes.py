"""Adding a class to a trained bundle within minutes, removing one, renaming one: each makes a candidate, a new bundle.

What a bundle remembers of its training stands in for the images that it was trained on.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from rgbx.config import Config
from rgbx.datasets.labelled import check_together, sets_digest
from rgbx.errors import ConfigError, InputError, RgbxError
from rgbx.files import atomic_folder, link_or_copy, read_json
from rgbx.modality import MODALITIES, TITLES, Channel, Modality
from rgbx.models.bundle import Bundle, load_bundle, save_bundle, write_header
from rgbx.models.card import write_card
from rgbx.models.fusion import Fusion, Linear
from rgbx.models.header import BundleHeader, ClassChange, check_weights
from rgbx.models.icam import ICam
from rgbx.models.memory import ImageSource, Memory, Remembered
from rgbx.models.network import FusionHead
from rgbx.models.seal import SUMS, sealed_names
from rgbx.names import printable, same_name
from rgbx.samples import SampleSet
from rgbx.training.class_head import Heads, HeldOutLogits, deal_folds, fit_class
from rgbx.training.line_head import enough_of_line, fit_class_on_line
from rgbx.training.remember import EncodedImages, encode_images, images_per_class, remember, sources_of
from rgbx.trust.calibration import CALIBRATION, Calibrated, load_calibration, save_calibration
from rgbx.trust.class_changes import (
    RenderedImages,
    calibration_with_class,
    calibration_without_class,
    can_change_classes,
    sorted_shares,
)
from rgbx.trust.layout import layout_of
from rgbx.trust.ood import Shown
from rgbx.trust.support import support_sentences

LEAST_FOUND = 0.9
"""Of held-out images of a new class, by all modalities together: below it a full training is proposed."""
MOST_LOST = 0.005
"""Of images of old classes that the bundle remembers, of the line if it can: above it a full training is proposed."""
LEAST_REHEARSED = 0.85
"""Of a line's images of old classes, had each been added in the same way: below it a full training is proposed."""


class ToldApart(Config):
    """How well one channel tells a new class from the old ones, on images of units that its head was not fitted to.

    Images of the new class are rendered. Those of old classes are of the line that the bundle was calibrated on, or
    rendered where it remembers none.
    """

    images: int
    """Of the new class; or pairs of them."""
    found: float
    """Share of them that are told right."""
    twin: str
    """The old class that most of the others are taken for; where there are none, the nearest."""
    taken_for_twin: float
    """Share of the new class's images."""
    taken_for_new: float
    """Share of the twin's images that are taken for the new class."""
    old_images: int
    old_right: float
    """Share of the images of old classes that are told right."""
    old_lost: float
    """That of the bundle before, minus it; negative where old classes gain."""
    rehearsed: float | None = None
    """Share of the line's images of old classes that would be found, had each been added like the new one; None where
    the bundle remembers nothing of a line."""


class AddedClass(Config):
    """What came of adding a class."""

    name: str
    images: dict[Modality, int]
    units: int
    by_unit: bool
    """Whether the figures are of units that the head was not fitted to."""
    by_line: bool
    """Whether the bundle remembered its line."""
    channels: dict[Channel, ToldApart]
    change: ClassChange
    """As the candidate's header has it."""


def add_class(
    bundle: Path,
    name: str,
    sets: Mapping[Modality, Sequence[SampleSet]],
    out: Path,
    *,
    old_sets: Mapping[Modality, Sequence[SampleSet]] | None = None,
    own_bin: str | None = None,
    seed: int = 0,
) -> AddedClass:
    """Make a candidate that knows one class more, in closed form: no network is trained.

    Heads are fitted to images of the new class and to what the bundle remembers of its training, which all have to be
    alike. Of a bundle that was calibrated, what it remembers of the line says how images look there
    (:mod:`rgbx.training.line_head`). Else there is a row more, and what is said of the old classes stays as it is
    (:mod:`rgbx.training.class_head`).

    Args:
        bundle: trained; it stays as it is.
        name: of the new class.
        sets: images of the new class, of each of the bundle's modalities; images of other classes are left out.
        out: folder of the candidate; written whole or not at all.
        old_sets: what the bundle was trained on, where it remembers nothing.
        own_bin: where devices of the class go, of a bundle that was calibrated; a bin of its own name when None.
        seed: of pairing photographs with radiographs.

    Returns:
        What was found on units that the head was not fitted to.

    Raises:
        InputError: a set does not fit, the class is there already, or ``out`` is.
        RgbxError: the bundle remembers nothing and no old sets are given, or a modality is missing.
    """
    check_addition(bundle, name, out, sets, old_sets or {}, own_bin)
    loaded = load_bundle(bundle)
    header = loaded.header
    _check_sets(header, sets, name)
    memory = _memory(bundle, loaded, old_sets)
    for modality, each in sets.items():
        _check_alike(each, memory.sources[modality])
    new = {
        modality: encode_images(_stream(loaded, modality), header.streams[modality], (name,), each)
        for modality, each in sets.items()
    }
    loaded.network.cpu()
    for modality, encoded in new.items():
        _check_unseen(sets[modality], encoded.remembered, memory, modality)
    images = memory.with_class(name, {m: each.remembered for m, each in new.items()}, {}).images
    folds = deal_folds(images, len(header.classes))
    by_line = enough_of_line(memory.line, list(images))
    if by_line:
        fitted = fit_class_on_line(images, memory.line, _heads(loaded), folds, seed)
    else:
        fitted = fit_class(images, _heads(loaded), folds, seed)
    channels = {
        channel: told_apart(each, header.classes, fitted.rehearsed.get(channel))
        for channel, each in fitted.held_out.items()
    }
    calibrated, longer = load_calibration(bundle, header.weights_sha256), None
    if calibrated is not None and can_change_classes(calibrated):
        rendered = {m: _rendered(m, each, memory.images[m], len(header.classes)) for m, each in new.items()}
        longer = calibration_with_class(calibrated, fitted.held_out, rendered, own_bin or name)
    notes = (
        *_found_notes(name, channels, folds.by_unit, by_line),
        *_unproven_notes(calibrated, header),
        *(() if longer is None else _sorted_notes(name, longer, fitted.held_out)),
    )
    change = ClassChange(
        what="added",
        name=name,
        start=header.weights_sha256,
        notes=notes,
        proposes_full=not is_told_apart(channels),
    )
    _set_heads(loaded, fitted.heads)
    kept = {m: _thinned(each.remembered) for m, each in new.items()}
    with atomic_folder(out) as folder:
        save_bundle(
            folder,
            loaded.network,
            (*header.classes, name),
            header.streams,
            training={**header.training, "class": {"name": name, "seed": seed}},
            sources={**header.sources, **{f"{m} of {name}": sets_digest(each) for m, each in sets.items()}},
            metrics=_metrics(name, channels),
            memory=memory.with_class(name, kept, {m: sources_of(each) for m, each in sets.items()}),
            changes=(*header.changes, change),
        )
        if longer is not None:
            _calibrate(bundle, folder, longer)
    return AddedClass(
        name=name,
        images={m: len(each.remembered.labels) for m, each in new.items()},
        units=min(len(set(each.remembered.units)) for each in new.values()),
        by_unit=folds.by_unit,
        by_line=by_line,
        channels=channels,
        change=change,
    )


def remove_class(bundle: Path, name: str, out: Path) -> ClassChange:
    """Make a candidate that knows one class less; among the others it answers as the bundle did.

    Args:
        bundle: trained; it stays as it is.
        name: of the class that goes.
        out: folder of the candidate; written whole or not at all.

    Raises:
        InputError: there is no such class, fewer than two would be left, or ``out`` is there already.
    """
    header = check_weights(bundle)
    place = _place(bundle, header, name)
    if len(header.classes) < 3:
        raise InputError(bundle, f"has {len(header.classes)} classes, and two are the least", "keep this one")
    _check_free(out)
    loaded, memory = load_bundle(bundle), Memory.read(bundle)
    calibrated = load_calibration(bundle, header.weights_sha256)
    left = [other for other in range(len(header.classes)) if other != place]
    for modality in header.streams:
        stream = _stream(loaded, modality)
        stream.classifier = _layer(Linear(*(part[left] for part in _linear(stream.classifier))))
    if loaded.network.fusion is not None:
        _fuse_without(loaded, left)
    change = ClassChange(
        what="removed",
        name=name,
        start=header.weights_sha256,
        notes=tuple(_unproven_notes(calibrated, header, refitted=False)),
    )
    with atomic_folder(out) as folder:
        save_bundle(
            folder,
            loaded.network,
            tuple(header.classes[other] for other in left),
            header.streams,
            training=header.training,
            sources=header.sources,
            metrics={},
            memory=None if memory is None else memory.without(name),
            changes=(*header.changes, change),
        )
        if calibrated is not None and can_change_classes(calibrated):
            _calibrate(bundle, folder, calibration_without_class(calibrated, place))
    return change


def rename_class(bundle: Path, name: str, to: str, out: Path) -> ClassChange:
    """Make a candidate in which a class is called otherwise; nothing else changes, bins keep their names.

    Args:
        bundle: trained; it stays as it is.
        name: of the class.
        to: as it shall be called.
        out: folder of the candidate; written whole or not at all.

    Raises:
        InputError: there is no such class, or one of the new name, or ``out`` is there already.
    """
    header = check_weights(bundle)
    place = _place(bundle, header, name)
    classes = tuple(to if other == place else each for other, each in enumerate(header.classes))
    check_new_name(bundle, tuple(each for each in header.classes if each != name), to)
    _check_free(out)
    calibrated = load_calibration(bundle, header.weights_sha256)
    memory = Memory.read(bundle)
    notes: tuple[str, ...] = ()
    if calibrated is not None:
        of_class = calibrated.sorting.right[place]
        bins = ", ".join(each for each, right in zip(calibrated.sorting.bins, of_class, strict=True) if right)
        notes = (f"Its devices go where they went before, to the bin {bins}.",)
    change = ClassChange(what="renamed", name=name, to=to, start=header.weights_sha256, notes=notes)
    renamed = header.updated({"classes": classes, "changes": (*header.changes, change)})
    with atomic_folder(out) as folder:
        for file in [*sealed_names(bundle), SUMS]:
            (folder / file).parent.mkdir(exist_ok=True)
            link_or_copy(bundle / file, folder / file)
        write_header(folder, renamed, () if calibrated is None else support_sentences(calibrated))
        if memory is not None:
            memory.renamed(name, to).write(folder, header.weights_sha256)
    return change


def is_told_apart(channels: Mapping[Channel, ToldApart]) -> bool:
    """Return whether a new class is told well enough from the old ones, by all modalities together.

    At least nine in ten of its held-out images are told right, old classes lose half a point at most, and at least
    eight in ten of the line's images of old classes would be found, had these been added so.
    """
    best = channels.get("rgbx") or next(iter(channels.values()))
    enough_on_line = best.rehearsed is None or best.rehearsed >= LEAST_REHEARSED
    return best.found >= LEAST_FOUND and best.old_lost <= MOST_LOST and enough_on_line


def check_addition(
    bundle: Path,
    name: str,
    out: Path,
    sets: Mapping[Modality, Sequence[SampleSet]],
    old_sets: Mapping[Modality, Sequence[SampleSet]],
    own_bin: str | None = None,
) -> None:
    """Refuse what cannot be added before anything long is begun.

    Args:
        bundle: trained.
        name: of the new class.
        out: folder of the candidate.
        sets: images of the class, of each modality; none where they are still to be rendered.
        old_sets: what the bundle was trained on, if given.
        own_bin: asked for.

    Raises:
        InputError: the class or ``out`` is there already, a set does not fit, or the bundle remembers nothing.
        ConfigError: no class can have this name, or there are no bins.
        RgbxError: a modality is missing.
    """
    header = check_weights(bundle)
    check_new_name(bundle, header.classes, name)
    _check_free(out)
    if sets:
        _check_sets(header, sets, name)
    if old_sets:
        _check_old_sets(header, old_sets)
    elif Memory.read(bundle) is None:
        raise _nothing_remembered(bundle)
    if own_bin is not None and load_calibration(bundle, header.weights_sha256) is None:
        raise ConfigError("The bundle was not calibrated, so it has no bins: leave out --bin.")


def sources_to_match(
    bundle: Path, old_sets: Mapping[Modality, Sequence[SampleSet]]
) -> dict[Modality, tuple[ImageSource, ...]]:
    """Return how images of a class to be added have to come about: as those did that the bundle was trained on.

    Raises:
        InputError: the bundle remembers nothing, and there are no old sets.
    """
    if old_sets:
        return {modality: sources_of(each) for modality, each in old_sets.items()}
    memory = Memory.read(bundle)
    if memory is None:
        raise _nothing_remembered(bundle)
    return memory.sources


def check_new_name(bundle: Path, classes: Sequence[str], name: str) -> None:
    """Refuse a name that no class of a bundle can have.

    Raises:
        InputError: the bundle has it already, in some spelling.
        ConfigError: it is empty, or no folder could have it.
    """
    if not re.fullmatch(r"[^\s./\\|:*?\"<>][^/\\|:*?\"<>\x00-\x1f]*", name) or name != name.rstrip(". "):
        raise ConfigError(f"'{printable(name)}' cannot be the name of a class: it has to be one of a folder.")
    taken = [each for each in classes if same_name(each) == same_name(name)]
    if taken:
        raise InputError(bundle, f"has a class '{taken[0]}' already", "choose another name")


def _place(bundle: Path, header: BundleHeader, name: str) -> int:
    if name not in header.classes:
        raise InputError(bundle, f"has no class '{name}'", f"name one of {', '.join(header.classes)}")
    return header.classes.index(name)


def _check_free(out: Path) -> None:
    """Refuse a folder that is in use before anything long is begun."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InputError(out, "is there already", "choose another --out folder or delete this one")


def _check_sets(header: BundleHeader, sets: Mapping[Modality, Sequence[SampleSet]], name: str) -> None:
    for modality in MODALITIES:
        if modality in header.streams and not sets.get(modality):
            raise RgbxError(
                f"The bundle has a stream of {modality} images too, which has to learn '{name}' as well: give "
                f"--{modality} SET, or units that have what these are rendered from."
            )
        if sets.get(modality) and modality not in header.streams:
            raise RgbxError(f"The bundle has no stream of {modality} images: leave out --{modality}.")
    for modality, each in sets.items():
        for samples in each:
            check_together([samples], modality)
            if not any(record.label == name for record in samples):
                raise InputError(
                    samples.folder,
                    f"shows no device of class '{name}' (its classes are {', '.join(samples.header.classes)})",
                    "give a set that does, or the name that it has there",
                )


def _memory(bundle: Path, loaded: Bundle, old_sets: Mapping[Modality, Sequence[SampleSet]] | None) -> Memory:
    if old_sets:
        return remember(loaded.network, loaded.header.streams, loaded.header.classes, old_sets)
    memory = Memory.read(bundle)
    if memory is None:
        raise _nothing_remembered(bundle)
    return memory


def _check_old_sets(header: BundleHeader, old_sets: Mapping[Modality, Sequence[SampleSet]]) -> None:
    for modality in header.streams:
        if not old_sets.get(modality):
            raise RgbxError(f"Old sets are needed of each modality: give --old-{modality} SET as well.")
        for samples in old_sets[modality]:  # some may show a class alone that was added later
            check_together([samples], modality)
        absent = set(header.classes) - {record.label for samples in old_sets[modality] for record in samples}
        if absent:
            raise InputError(
                old_sets[modality][0].folder,
                f"shows no device of class '{min(absent)}'",
                "give the sets that the bundle was trained on",
            )


def _nothing_remembered(bundle: Path) -> InputError:
    return InputError(
        bundle,
        "remembers nothing of its training",
        "give the sets that it was trained on with --old-rgb and --old-xray, or fuse it again with 'rgbx train fusion'",
    )


def _check_alike(sets: Sequence[SampleSet], known: Sequence[ImageSource]) -> None:
    """Refuse images that came about otherwise: a head would tell them by that, and on the line all are alike."""
    for samples in sets:
        found = ImageSource.of(samples.header.origin, samples.header.config)
        if found in known:
            continue
        same = [each for each in known if each.origin == found.origin]
        if not same:
            origins = ", ".join(dict.fromkeys(each.origin for each in known))
            raise InputError(
                samples.folder,
                f"has images of another origin ({found.origin}) than the bundle's ({origins}), by which alone they "
                "could be told",
                "give images that came about as those did",
            )
        old, new = same[-1].config, found.config
        differ = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
        if found.origin.startswith("real") and differ == ["folder"]:
            continue
        raise InputError(
            samples.folder,
            f"was made with other settings than the bundle's images ({', '.join(differ)})",
            "make it with the same ones, or give --unit and let rgbx do it",
        )


def _check_unseen(sets: Sequence[SampleSet], new: Remembered, memory: Memory, modality: Modality) -> None:
    images = memory.images[modality]
    known = dict(zip(images.fingerprints, images.labels.tolist(), strict=True))
    for fingerprint in new.fingerprints:
        if fingerprint in known:
            raise InputError(
                sets[0].folder,
                f"has an image that the bundle was trained on as '{memory.classes[known[fingerprint]]}'",
                "give images of the new class only",
            )


def _thinned(images: Remembered) -> Remembered:
    """Return as many images of a class as a bundle remembers, of all its units."""
    return images.chosen(np.arange(min(len(images.labels), images_per_class(images.features.shape[1]))))


def told_apart(answers: HeldOutLogits, classes: Sequence[str], rehearsed: float | None = None) -> ToldApart:
    """Return how well a channel tells a new class from the old ones.

    Args:
        answers: of heads that were not fitted to what they judge.
        classes: of the bundle before.
        rehearsed: see :class:`ToldApart`.
    """
    label = len(classes)
    said, new = answers.logits.argmax(1), answers.truth == label
    right = said == answers.truth
    right_before = answers.before.argmax(1) == answers.truth
    taken = np.bincount(said[new], minlength=label + 1)[:label]
    nearness = answers.logits[new, :label].mean(0)
    twin = int(max(range(label), key=lambda place: (taken[place], nearness[place])))
    of_twin = answers.truth == twin
    return ToldApart(
        images=int(new.sum()),
        found=float(right[new].mean()),
        twin=classes[twin],
        taken_for_twin=float(taken[twin] / new.sum()),
        taken_for_new=float((said[of_twin] == label).mean()),
        old_images=int((~new).sum()),
        old_right=float(right[~new].mean()),
        old_lost=float(right_before[~new].mean() - right[~new].mean()),
        rehearsed=rehearsed,
    )


def _found_notes(name: str, channels: Mapping[Channel, ToldApart], by_unit: bool, by_line: bool) -> list[str]:
    notes = []
    for channel, each in channels.items():
        shown = "pairs of images" if channel == "rgbx" else "images"
        old_shown = f"{shown} of the line" if by_line else f"remembered {shown}"
        notes.append(
            f"{TITLES[channel]}: {each.found:.1%} of {each.images} held-out {shown} of {name} are found; "
            f"{each.taken_for_twin:.1%} are taken for {each.twin}, its nearest, of which {each.taken_for_new:.1%} are "
            f"taken for {name}. Of {each.old_images} {old_shown} of old classes {each.old_right:.1%} are told right, "
            f"and {each.old_right + each.old_lost:.1%} by the bundle before."
        )
    notes += [
        f"{TITLES[channel]}: had the old classes been added like {name}, each from rendered images alone, "
        f"{each.rehearsed:.1%} of their images on the line would be found. So much is to be expected of {name}."
        for channel, each in channels.items()
        if each.rehearsed is not None
    ]
    if not by_line:
        notes.append(
            "The bundle remembers no images of a line: how many devices are found there, and how many of old classes "
            "are lost, is not known. Calibrate it first, and add the class then."
        )
    if not by_unit:
        notes.append(
            f"{name} has a single unit, so held-out images show the unit that the head was fitted to: it will do worse."
        )
    notes.append("All of these images are rendered or were trained on: none of these figures is of the line.")
    return notes


def _unproven_notes(calibrated: Calibrated | None, header: BundleHeader, refitted: bool = True) -> list[str]:
    """Say what could not be fitted anew."""
    notes = []
    looking = [m for m, each in header.streams.items() if each.icam.iterations > 1 and each.icam.window != "measured"]
    if refitted and looking:
        notes.append(
            f"The {' and the '.join(looking)} stream looks closer where its classifier points. What is remembered is "
            "of where the one before pointed."
        )
    if calibrated is None:
        notes.append("It is not calibrated, as the bundle before was not.")
    elif not can_change_classes(calibrated):
        notes.append(
            f"The calibration was left out: what '{calibrated.config.ood_score}' scores cannot be told of a change of "
            "classes without images of the line. Run 'rgbx calibrate' again."
        )
    elif refitted:
        notes.append(
            "The calibration is provisional. The limits of unknown devices and of risk stay. Temperature and "
            "candidates are the more cautious of those before and of those of held-out images. How strange devices of "
            "the class look on the line is a guess."
        )
    else:
        notes.append(
            "The calibration is provisional: its limits are those of a bundle that knew the class. Devices of it "
            "are to be unknown from now on, which was not measured."
        )
    return notes


def _sorted_notes(name: str, calibrated: Calibrated, answers: Mapping[Channel, HeldOutLogits]) -> list[str]:
    """Say where devices of a new class would go, by the limits of the line."""
    notes = []
    for channel, each in answers.items():
        right, wrong = sorted_shares(calibrated, channel, each)
        notes.append(
            f"{TITLES[channel]}: with these limits {right:.1%} of the held-out images of {name} would go to its bin "
            f"and {wrong:.1%} to a wrong one."
        )
    return notes


def _metrics(name: str, channels: Mapping[Channel, ToldApart]) -> dict[str, float]:
    found = {f"{channel}_validation_{name}_found": each.found for channel, each in channels.items()}
    return found | {f"{channel}_validation_old_classes_right": each.old_right for channel, each in channels.items()}


def _calibrate(bundle: Path, folder: Path, calibrated: Calibrated) -> None:
    """Write a candidate's provisional calibration; the sets that it was fitted to are those of the bundle before."""
    header = check_weights(folder)
    save_calibration(folder, calibrated, header.weights_sha256, read_json(bundle / CALIBRATION)["sources"])
    write_card(folder, header, support_sentences(calibrated))


def _rendered(modality: Modality, new: EncodedImages, old: Remembered, label: int) -> RenderedImages:
    """Return the images of a modality as out-of-distribution scores see them; those remembered by their thumbnails."""
    features = np.concatenate([old.features, new.remembered.features])
    labels = np.concatenate([old.labels, np.full(len(new.remembered.labels), label)])
    units = (*old.units, *new.remembered.units)
    if modality == "rgb":
        return RenderedImages(Shown(features), labels, units)
    layouts = [layout_of(_picture(each)) for each in old.thumbnails]
    layouts += [layout_of(each) for each in new.prepared.images]
    return RenderedImages(Shown(features, np.stack(layouts)), labels, units)


def _picture(thumbnail: bytes) -> np.ndarray:
    """Return a radiograph's thumbnail as a prepared radiograph, (H, W) uint16."""
    pixels = cv2.imdecode(np.frombuffer(thumbnail, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert pixels is not None, "thumbnails are sealed as they were encoded"
    return pixels.astype(np.uint16) * 257


def _heads(loaded: Bundle) -> Heads:
    """Return what a bundle decides by."""
    classifiers = {modality: _linear(_stream(loaded, modality).classifier) for modality in loaded.header.streams}
    return Heads(classifiers, None if loaded.network.fusion is None else _fusion(loaded))


def _set_heads(loaded: Bundle, heads: Heads) -> None:
    """Give the streams, and their fusion, other heads."""
    for modality, head in heads.classifiers.items():
        _stream(loaded, modality).classifier = _layer(head)
    if heads.fusion is not None:
        loaded.network.fusion = _fusion_head(heads.fusion)


def _fusion_head(fusion: Fusion) -> FusionHead:
    head = FusionHead({modality: _layer(each) for modality, each in fusion.classifiers.items()})
    head.fusion = _layer(fusion.fusion)
    return head


def _fuse_without(loaded: Bundle, left: list[int]) -> None:
    """Leave classes out of a fusion; what it says of the others stays the same."""
    fusion = _fusion(loaded).added_up()
    classifiers = {m: Linear(*(part[left] for part in each)) for m, each in fusion.classifiers.items()}
    loaded.network.fusion = _fusion_head(Fusion.adding_up(classifiers, fusion.fusion.bias[left]))


def _stream(loaded: Bundle, modality: Modality) -> ICam:
    return loaded.network.streams[modality]  # type: ignore[return-value]


def _fusion(loaded: Bundle) -> Fusion:
    """Return the fusion of a bundle as NumPy arrays."""
    head: FusionHead = loaded.network.fusion  # type: ignore[assignment]
    return Fusion({m: _linear(head.classifiers[m]) for m in MODALITIES}, _linear(head.fusion))  # type: ignore[arg-type]


def _linear(layer: nn.Linear) -> Linear:
    return Linear(layer.weight.detach().cpu().numpy(), layer.bias.detach().cpu().numpy())


def _layer(linear: Linear) -> nn.Linear:
    outputs, inputs = linear.weight.shape
    layer = nn.Linear(inputs, outputs)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(np.asarray(linear.weight, np.float32)))
        layer.bias.copy_(torch.from_numpy(np.asarray(linear.bias, np.float32)))
    return layer
