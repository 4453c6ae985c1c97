"""A set as WebDataset tars: for training that streams from large or remote storage."""

import io
import tarfile
from pathlib import Path

from rgbx.errors import InputError
from rgbx.files import atomic_folder, write_json
from rgbx.progress import track
from rgbx.samples.record import SampleRecord
from rgbx.samples.sets import SET_FILE, SampleSet


def export_webdataset(samples: SampleSet, out: Path, images_per_tar: int = 1000) -> list[Path]:
    """Write a set as tars of ``KEY.png``, ``KEY.json`` (the record) and ``KEY.cls`` (the number of the class).

    The same set gives the same bytes. The first samples of every class come first, then the second ones and so on, so
    that every tar has all classes. ``dataset.json`` beside the tars is the set's header, with ``shards``: their names
    and how many samples each has.

    Args:
        samples: a finished set.
        out: folder of the tars; written whole or not at all.
        images_per_tar: the last has what is left.

    Returns:
        The tars.

    Raises:
        InputError: there is something at ``out`` already.
    """
    records = sorted((Path(name).name, name) for name in samples.file_names)
    groups = [records[start : start + images_per_tar] for start in range(0, len(records), images_per_tar)]
    names = [f"{samples.header.modality}-{number:06d}.tar" for number in range(len(groups))]
    with atomic_folder(out) as folder:
        progress = track(zip(names, groups, strict=True), "writing tars", total=len(groups))
        for name, group in progress:
            with tarfile.open(folder / name, "w", format=tarfile.USTAR_FORMAT) as tar:
                for record in samples.read(file_name for _, file_name in group):
                    _add_sample(tar, samples, record)
        shards = [{"name": name, "samples": len(group)} for name, group in zip(names, groups, strict=True)]
        write_json(folder / SET_FILE, {**samples.header.model_dump(mode="json"), "shards": shards})
    return [out / name for name in names]


def _add_sample(tar: tarfile.TarFile, samples: SampleSet, record: SampleRecord) -> None:
    key, suffix = record.file_name.rsplit(".", 1)
    members = {
        "cls": str(samples.header.classes.index(record.label)).encode(),
        "json": record.model_dump_json().encode(),
        suffix: _read(samples.path(record)),
    }
    for extension, content in members.items():
        member = tarfile.TarInfo(f"{key}.{extension}")  # its time is 0 and its owner nobody
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))


def _read(image: Path) -> bytes:
    try:
        return image.read_bytes()
    except FileNotFoundError as error:
        raise InputError(image, "is missing", "render the set again, only what is missing is rendered") from error
