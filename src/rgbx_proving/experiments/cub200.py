"""CUB-200-2011 (Wah et al., 2011), the public benchmark of the paper's Table III, as sets to train and test on.

The folder is the official one: ``images.txt``, ``classes.txt``, ``image_class_labels.txt``, ``train_test_split.txt``,
``bounding_boxes.txt`` and ``images/``. The split is the official one too.
"""

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from rgbx.errors import InputError
from rgbx.files import digest_files, link_in_place, write_bytes
from rgbx.progress import track
from rgbx.samples import SampleSet
from rgbx.samples.record import SampleRecord, SetHeader

_IMAGES, _CLASSES, _LABELS = "images.txt", "classes.txt", "image_class_labels.txt"
_SPLIT, _BOXES = "train_test_split.txt", "bounding_boxes.txt"
_REMEDY = "unpack CUB_200_2011.tgz anew and give the folder CUB_200_2011"


@dataclass(frozen=True)
class Bird:
    """One image of the data set."""

    number: int
    path: Path
    label: str
    training: bool
    box: tuple[float, float, float, float]
    """Left, top, width and height of the bird, pixels."""


def read_cub200(folder: Path) -> list[Bird]:
    """Read what the data set's text files say, in the order of the image numbers.

    Raises:
        InputError: a file is missing or damaged, or files do not agree.
    """
    tables = {name: _read_table(folder / name) for name in (_IMAGES, _CLASSES, _LABELS, _SPLIT, _BOXES)}
    birds = []
    for number, (name,) in sorted(tables[_IMAGES].items()):
        try:
            (label,) = tables[_CLASSES][int(tables[_LABELS][number][0])]
            (training,) = tables[_SPLIT][number]
            left, top, width, height = map(float, tables[_BOXES][number])
        except (KeyError, ValueError) as error:
            raise InputError(folder, f"does not say all about image {number} ({name})", _REMEDY) from error
        path = folder / "images" / name
        if not path.is_file():
            raise InputError(path, "is missing", _REMEDY)
        birds.append(Bird(number, path, label, training == "1", (left, top, width, height)))
    if not birds:
        raise InputError(folder / _IMAGES, "names no image", _REMEDY)
    return birds


def import_birds(folder: Path, out: Path) -> tuple[SampleSet, SampleSet]:
    """Make two sets of the data set, ``out/train`` and ``out/test``, or go on making them.

    Images are linked where the disk can, else copied; the few grey ones are written as colour. Every image is a unit
    of its own, since nobody wrote down which ones show the same bird.

    Args:
        folder: the official folder, ``CUB_200_2011``.
        out: where to.

    Returns:
        The official training and test sets.

    Raises:
        InputError: the folder is not the data set, or ``out`` holds something else.
    """
    birds = read_cub200(folder)
    classes = tuple(sorted({bird.label for bird in birds}))
    source = digest_files(folder / name for name in (_IMAGES, _CLASSES, _LABELS, _SPLIT, _BOXES))
    sets = []
    for part, training in (("train", True), ("test", False)):
        header = SetHeader(
            modality="rgb",
            origin=f"real: CUB-200-2011, official {part} split",
            seed=0,
            classes=classes,
            config={"data set": "CUB-200-2011", "part": part},
            source=source,
        )
        samples = SampleSet.create(out / part, header)
        known = set(samples.file_names)
        chosen = [bird for bird in birds if bird.training == training]
        for bird in track(chosen, f"importing the {part} set", total=len(chosen)):
            name = f"{bird.label}/{bird.path.stem}"
            try:
                with Image.open(bird.path) as image:
                    grey = image.mode != "RGB"
            except (UnidentifiedImageError, OSError) as error:
                raise InputError(bird.path, "is damaged or cut off", _REMEDY) from error
            name += ".png" if grey else bird.path.suffix
            if name in known:
                continue
            _place(bird.path, samples.folder / name, grey)
            samples.add(
                SampleRecord(
                    file_name=name,
                    label=bird.label,
                    unit=bird.path.stem,
                    seed=0,
                    draw={"image": bird.number, "box": list(bird.box)},
                )
            )
        samples.finish()
        sets.append(samples)
    return sets[0], sets[1]


def _read_table(path: Path) -> dict[int, list[str]]:
    """Read lines of a number and what it stands for."""
    if not path.is_file():
        raise InputError(path, "is missing", _REMEDY)
    table = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        number, *values = line.split()
        if not number.isdigit():
            raise InputError(path, f"has a line that does not begin with a number ('{line}')", _REMEDY)
        table[int(number)] = values
    return table


def _place(image: Path, target: Path, grey: bool) -> None:
    if grey:
        content = io.BytesIO()
        with Image.open(image) as opened:
            opened.convert("RGB").save(content, "png")
        write_bytes(target, content.getvalue())
        return
    link_in_place(image, target)
