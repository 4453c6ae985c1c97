"""Labelled images of one's own, in a folder for each class, as a set to train, calibrate or test on."""

from pathlib import Path
from typing import NamedTuple

from rgbx.datasets.images import is_image
from rgbx.datasets.labelled import READERS
from rgbx.errors import InputError
from rgbx.files import digest, link_in_place, sha256
from rgbx.modality import Modality
from rgbx.progress import track
from rgbx.samples import SampleSet
from rgbx.samples.record import SampleRecord, SetHeader


class LabelledFile(NamedTuple):
    """An image whose place says what it shows."""

    path: Path
    label: str
    unit: str

    @property
    def file_name(self) -> str:
        """Its name within a set."""
        prefix = "" if self.unit == self.path.stem else f"{self.unit}-"
        return f"{self.label}/{prefix}{self.path.name}"


def find_labelled_files(folder: Path) -> list[LabelledFile]:
    """List ``folder/CLASS/IMAGE``, each a unit of its own, and ``folder/CLASS/UNIT/IMAGE``, sorted.

    Raises:
        InputError: the folder is missing, a class has no image, or two images would get one name.
    """
    if not folder.is_dir():
        raise InputError(folder, "does not exist", "give a folder that holds one for each class")
    classes = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if len(classes) < 2:
        raise InputError(folder, "holds fewer than two folders", "make one for each class and put its images there")
    found: dict[str, LabelledFile] = {}
    for place in classes:
        images = [path for path in sorted(place.rglob("*")) if is_image(path)]
        if not images:
            raise InputError(place, "holds no image (PNG, JPEG, TIFF, DICOM)", "add some or remove the folder")
        for path in images:
            unit = path.stem if path.parent == place else "-".join(path.parent.relative_to(place).parts)
            each = LabelledFile(path, place.name, unit)
            if each.file_name in found:
                raise InputError(path, f"would be named as {found[each.file_name].path} is", "rename one of them")
            found[each.file_name] = each
    return list(found.values())


def import_folder(folder: Path, modality: Modality, out: Path) -> SampleSet:
    """Make a set of a folder of labelled images, or go on making it; images are linked where the disk can, else copied.

    Args:
        folder: see :func:`find_labelled_files`.
        modality: of its images; each is read once to see that it can be.
        out: where to.

    Raises:
        InputError: an image cannot be used or is of the other modality, the folder has no such form, or ``out`` holds
            something else.
    """
    files = find_labelled_files(folder)
    header = SetHeader(
        modality=modality,
        origin="real: images of the user",
        seed=0,
        classes=tuple(dict.fromkeys(each.label for each in files)),
        config={"step": "import", "folder": folder.name},
        source=digest(*(each.file_name for each in files)),
    )
    samples = SampleSet.create(out, header)
    known = set(samples.file_names)
    for each in track(files, f"importing {modality} images", total=len(files)):
        if each.file_name in known:
            continue
        READERS[modality](each.path)
        link_in_place(each.path, samples.folder / each.file_name)
        samples.add(
            SampleRecord(
                file_name=each.file_name,
                label=each.label,
                unit=each.unit,
                seed=0,
                draw={"file": each.path.relative_to(folder).as_posix(), "sha256": sha256(each.path)},
            )
        )
    samples.finish()
    return samples
