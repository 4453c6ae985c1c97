"""Labelled images of one's own, in a folder for each class, as a set to train, calibrate or test on."""

import os
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from rgbx.datasets.image_kind import is_image
from rgbx.datasets.labelled import READERS
from rgbx.datasets.polarity import looks_inverted, warn_of_inverted
from rgbx.errors import InputError
from rgbx.files import check_names_differ, digest, link_in_place, sha256
from rgbx.modality import Modality
from rgbx.names import natural_key, printable
from rgbx.progress import track
from rgbx.samples import SampleSet
from rgbx.samples.record import SampleRecord, SetHeader

_OF_SYSTEMS = {
    "thumbs.db", "desktop.ini", "__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information",
    "lost+found",
}  # fmt: skip
"""What systems and drives leave behind, beside all that begins with a dot; in lower case."""


class LabelledFile(NamedTuple):
    """An image whose place says what it shows."""

    path: Path
    label: str
    unit: str

    @property
    def file_name(self) -> str:
        """Its name within a set."""
        prefix = "" if self.unit == printable(self.path.stem) else f"{self.unit}-"
        return f"{self.label}/{prefix}{printable(self.path.name)}"


class LabelledFolder(NamedTuple):
    """What was found in a folder of labelled images."""

    files: list[LabelledFile]
    left_out: Counter[str]
    """How many of each sort of thing are no part of it, in words."""


def find_labelled_files(folder: Path) -> LabelledFolder:
    """Find ``folder/CLASS/IMAGE``, each a unit of its own, and ``folder/CLASS/UNIT/IMAGE``, SP2 before SP10.

    Raises:
        InputError: the folder is missing or may not be read, a class has no image, or two images or classes would get
            names that are one on some systems.
    """
    if not folder.is_dir():
        raise InputError(folder, "does not exist", "give a folder that holds one for each class")
    left_out: Counter[str] = Counter()
    classes: list[Path] = []
    for entry in sorted(folder.iterdir(), key=lambda entry: natural_key(entry.name)):
        if _is_of_system(entry.name):
            left_out["hidden or of the system"] += 1
        elif not entry.is_dir():
            left_out["in no folder of a class"] += 1
        else:
            classes.append(entry)
    check_names_differ(((entry.name, entry) for entry in classes), "join the two folders")
    if len(classes) < 2:
        raise InputError(folder, "holds fewer than two folders", "make one for each class and put its images there")
    found: list[LabelledFile] = []
    for place in classes:
        images = _images_below(place, left_out)
        if not images:
            raise InputError(place, "holds no image (PNG, JPEG, TIFF, DICOM)", "add some or remove the folder")
        for path in images:
            unit = path.stem if path.parent == place else "-".join(path.parent.relative_to(place).parts)
            found.append(LabelledFile(path, printable(place.name), printable(unit)))
    check_names_differ(((each.file_name, each.path) for each in found), "rename one of them")
    return LabelledFolder(found, left_out)


def _images_below(place: Path, left_out: Counter[str]) -> list[Path]:
    """Return the images in a folder and in those below it, in natural order; linked folders may go round in circles."""

    def refuse(error: OSError) -> None:
        raise InputError(
            error.filename or place, f"cannot be read ({error.strerror})", "give yourself the right to read it"
        )

    found = []
    for parent, folders, names in os.walk(place, onerror=refuse):
        for name in tuple(folders):
            if _is_of_system(name) or (Path(parent) / name).is_symlink():
                left_out["hidden or of the system" if _is_of_system(name) else "linked folders"] += 1
                folders.remove(name)
        for path in (Path(parent) / name for name in names):
            if _is_of_system(path.name):
                left_out["hidden or of the system"] += 1
            elif is_image(path):
                found.append(path)
            else:
                left_out[f"files {printable(path.suffix.lower())}" if path.suffix else "files without a suffix"] += 1
    return sorted(found, key=lambda path: [natural_key(part) for part in path.relative_to(place).parts])


def _is_of_system(name: str) -> bool:
    return name.startswith(".") or name.lower() in _OF_SYSTEMS


def import_folder(folder: Path, modality: Modality, out: Path) -> SampleSet:
    """Make a set of a folder of labelled images, or go on making it; images are linked where the disk can, else copied.

    What is left out, and how many radiographs look inverted, is printed to standard error.

    Args:
        folder: see :func:`find_labelled_files`.
        modality: of its images; each is read once to see that it can be.
        out: where to.

    Raises:
        InputError: an image cannot be used or is of the other modality, the folder has no such form, or ``out`` holds
            something else.
    """
    files, left_out = find_labelled_files(folder)
    if left_out:
        counts = ", ".join(f"{count} {what}" for what, count in left_out.most_common())
        print(f"left out of {printable(folder)}: {counts}.", file=sys.stderr)
    header = SetHeader(
        modality=modality,
        origin="real: images of the user",
        seed=0,
        classes=tuple(dict.fromkeys(each.label for each in files)),
        config={"step": "import", "folder": printable(folder.name)},
        source=digest(*(each.file_name for each in files)),
    )
    samples = SampleSet.create(out, header)
    known = set(samples.file_names)
    new = [each for each in files if each.file_name not in known]
    inverted = 0
    for each in track(new, f"importing {modality} images", total=len(new)):
        image = READERS[modality](each.path)
        inverted += modality == "xray" and looks_inverted(image)
        link_in_place(each.path, samples.folder / each.file_name)
        samples.add(
            SampleRecord(
                file_name=each.file_name,
                label=each.label,
                unit=each.unit,
                seed=0,
                draw={"file": printable(each.path.relative_to(folder).as_posix()), "sha256": sha256(each.path)},
            )
        )
    warn_of_inverted(inverted, len(new), folder)
    samples.finish()
    return samples
