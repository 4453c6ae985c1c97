"""Adding a class by training on, where the closed form does not tell it well enough from the others."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from rgbx.errors import ConfigError, InputError, RgbxError
from rgbx.evaluation.classes import AddedClass, add_class
from rgbx.files import atomic_folder, link_or_copy, read_json, write_json
from rgbx.modality import Modality
from rgbx.models.bundle import write_header
from rgbx.models.header import check_weights
from rgbx.models.seal import SUMS, sealed_names
from rgbx.samples import SampleSet
from rgbx.training.full_class import FullAddition, train_with_class

_ADDED = "added.json"
_TRAINED_ON = (
    "The streams were trained on, from the closed form that the figures above are of, with all images of the old "
    "classes and the new one. How good it is has to be tested: run 'rgbx evaluate' with images of the line.",
    "It is not calibrated: features have moved, so nothing of an earlier calibration holds. Run 'rgbx calibrate'.",
)


def add_class_in_full(
    bundle: Path,
    name: str,
    sets: Mapping[Modality, Sequence[SampleSet]],
    old_sets: Mapping[Modality, Sequence[SampleSet]],
    out: Path,
    config: FullAddition,
    seed: int = 0,
) -> AddedClass:
    """Make a candidate that knows one class more by training its streams on; a run that was stopped goes on.

    Args:
        bundle: trained; it stays as it is.
        name: of the new class.
        sets: images of the new class, of each of the bundle's modalities.
        old_sets: all that the bundle was trained on.
        out: folder of the candidate; written whole or not at all. What is made on the way is beside it, in a hidden
            folder that goes at the end.
        config: how to train.
        seed: of pairing photographs with radiographs.

    Returns:
        What the closed form came to, which training began from.

    Raises:
        InputError: a set does not fit, the class is there already, or ``out`` is.
        RgbxError: an old set is missing, or the bundle does not say how it was trained.
    """
    if not old_sets:
        raise RgbxError(
            "Training in full needs all that the bundle was trained on: give --old-rgb SET and --old-xray SET."
        )
    work = out.with_name(f".{out.name}-in-full")
    quick = work / "closed-form"
    if not (work / _ADDED).exists():
        shutil.rmtree(quick, ignore_errors=True)
        added = add_class(bundle, name, sets, quick, old_sets=old_sets, seed=seed)
        write_json(work / _ADDED, added.model_dump(mode="json"))
    try:
        added = AddedClass.model_validate(read_json(work / _ADDED))
    except ConfigError as error:
        raise InputError(work, "is of another version of rgbx", "delete it and run the command again") from error
    if (added.name, added.change.start) != (name, check_weights(bundle).weights_sha256):
        raise InputError(work, "holds an unfinished training of another class or bundle", "delete it, or finish that")
    trained = train_with_class(quick, name, old_sets, sets, work, config)
    change = added.change.updated({"notes": (*_of_closed_form(added), *_TRAINED_ON), "proposes_full": False})
    with atomic_folder(out) as folder:
        for file in [*sealed_names(trained), SUMS]:
            (folder / file).parent.mkdir(exist_ok=True)
            link_or_copy(trained / file, folder / file)
        header = check_weights(folder)
        earlier = check_weights(bundle).changes
        write_header(folder, header.updated({"changes": (*earlier, change)}))
    shutil.rmtree(work, ignore_errors=True)
    return added.updated({"change": change})


def _of_closed_form(added: AddedClass) -> tuple[str, ...]:
    """Return what was measured of the closed form, a sentence for each channel."""
    return added.change.notes[: len(added.channels)]
