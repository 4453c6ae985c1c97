"""A set with one class more: the images of several sets as one, which share their files with them."""

from collections.abc import Sequence
from pathlib import Path

from rgbx.errors import InputError
from rgbx.files import atomic_folder, digest, link_or_copy
from rgbx.samples.sets import SampleSet


def set_with_class(
    samples: SampleSet, name: str, more: Sequence[SampleSet], out: Path, *, listed: Sequence[str] = ()
) -> SampleSet:
    """Make a set of all images of one and those of a class of others, which share their files where the disk can.

    Args:
        samples: where the other classes are from.
        name: of the class.
        more: sets with images of it; none where the set shall only list it.
        out: folder of the new set; written whole or not at all.
        listed: further classes that the new set shall list, where ``samples`` shows some only of what other sets do.

    Raises:
        InputError: the set has the class already, or an image is missing.
    """
    if name in samples.header.classes:
        raise InputError(samples.folder, f"has a class '{name}' already", "choose another name")
    items = [(each.path(record), record) for each in [samples] for record in each]
    for number, each in enumerate(more):
        for record in each:
            if record.label == name:
                file_name = f"{name}/{number}-{Path(record.file_name).name}"  # sets count their images from 0
                items.append((each.path(record), record.updated({"file_name": file_name})))
    source = digest(samples.header.source, *(each.header.source for each in more))
    absent = [each for each in listed if each not in (*samples.header.classes, name)]
    header = samples.header.updated({"classes": (*samples.header.classes, *absent, name), "source": source})
    with atomic_folder(out) as folder:
        longer = SampleSet.create(folder, header)
        for label in header.classes:
            (folder / label).mkdir()
        for path, record in items:
            try:
                link_or_copy(path, folder / record.file_name)
            except FileNotFoundError as error:
                raise InputError(
                    path, "is missing", "render its set again, only what is missing is rendered"
                ) from error
            longer.add(record)
        longer.finish()
    return SampleSet.open(out)
