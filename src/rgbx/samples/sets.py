"""A set of samples on disk: ``dataset.json``, a folder of images for each class and ``metadata.jsonl``.

While a set is being rendered its records are appended to ``journal.jsonl``, each after its image is in place;
so a run that was killed leaves images and records that agree, and the next run renders only what is missing.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from rgbx.config import build_config
from rgbx.errors import InputError
from rgbx.files import read_json, readable_os_errors, write_json, write_text
from rgbx.samples.record import SampleRecord, SetHeader
from rgbx.samples.seeds import SampleKey

HEADER = "dataset.json"
METADATA = "metadata.jsonl"
JOURNAL = "journal.jsonl"


class SampleSet:
    """A folder of labelled images with their records.

    Use :meth:`create` to render into it and :meth:`open` to read it.
    """

    def __init__(self, folder: Path, header: SetHeader, records: Iterable[SampleRecord]) -> None:
        self.folder = folder
        self.header = header
        self._records = {record.file_name: record for record in records}

    @classmethod
    def create(cls, folder: Path, header: SetHeader) -> Self:
        """Start a set in ``folder``, or go on with the same one that was interrupted.

        Raises:
            InputError: the folder holds a set made with other settings, or files that are no set.
        """
        path = folder / HEADER
        if path.exists():
            found = build_config(SetHeader, read_json(path))
            if found != header:
                raise InputError(
                    folder,
                    f"holds a set made with other settings ({_difference(found, header)})",
                    "choose another --out folder or delete this one",
                )
        elif folder.exists() and any(not entry.name.startswith(".") for entry in folder.iterdir()):
            raise InputError(folder, "is not empty and holds no set", "choose an empty --out folder")
        else:
            write_json(path, header.model_dump(mode="json"))
        return cls(folder, header, _read_records(folder))

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read a finished set.

        Raises:
            InputError: the folder is missing, is no set, or its rendering has not finished.
        """
        if not folder.is_dir():
            raise InputError(folder, "does not exist", "check the path of the set")
        if not (folder / HEADER).exists():
            raise InputError(folder, f"holds no {HEADER}", "give a folder made by 'rgbx render' or 'rgbx scan'")
        if not (folder / METADATA).exists():
            raise InputError(folder, "is not finished", "run the command that renders it again, it will go on")
        return cls(folder, build_config(SetHeader, read_json(folder / HEADER)), _read_records(folder))

    @property
    def records(self) -> list[SampleRecord]:
        """The records, sorted by file name."""
        return [self._records[name] for name in sorted(self._records)]

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[SampleRecord]:
        return iter(self.records)

    def path(self, record: SampleRecord) -> Path:
        """Return where a record's image lies."""
        return self.folder / record.file_name

    def missing(self, keys: Iterable[SampleKey], suffix: str) -> list[SampleKey]:
        """Return those of ``keys`` whose image (``.png``, ``.tiff``) or record is not there yet."""
        names = {key: f"{key.stem}{suffix}" for key in keys}
        return [key for key, name in names.items() if name not in self._records or not (self.folder / name).exists()]

    def add(self, record: SampleRecord) -> None:
        """Record a sample whose image has been written."""
        journal = self.folder / JOURNAL
        with readable_os_errors(journal), journal.open("a") as lines:
            lines.write(record.model_dump_json() + "\n")
        self._records[record.file_name] = record

    def finish(self) -> None:
        """Write ``metadata.jsonl``, sorted, and remove the journal and what a kill left: the set can now be read."""
        for label in self.header.classes:
            for torn in (self.folder / label).glob(".*"):
                torn.unlink()
        write_text(self.folder / METADATA, "".join(record.model_dump_json() + "\n" for record in self.records))
        (self.folder / JOURNAL).unlink(missing_ok=True)


def find_record(image: Path) -> SampleRecord:
    """Return the record of one image of a set, given the image's path (``SET/CLASS/NUMBER.png``).

    Raises:
        InputError: the image is in no set, or the set has no record of it.
    """
    place = image.resolve()
    folder, name = place.parent.parent, f"{place.parent.name}/{place.name}"
    if not (folder / HEADER).exists():
        raise InputError(image, "is not in a set", "give an image as SET/CLASS/NUMBER.png")
    for record in _read_records(folder):
        if record.file_name == name:
            return record
    raise InputError(image, f"is not on record in {folder / METADATA}", "choose an image that is")


def _read_records(folder: Path) -> list[SampleRecord]:
    records = []
    for name in (METADATA, JOURNAL):
        path = folder / name
        if not path.exists():
            continue
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            try:
                records.append(SampleRecord.model_validate_json(line))
            except ValidationError as error:
                if name == JOURNAL:  # a line torn by a kill: that sample is simply rendered again
                    continue
                raise InputError(path, f"has a damaged line {number}", "render the set again") from error
    return records


def _difference(found: SetHeader, wanted: SetHeader) -> str:
    old, new = found.model_dump(mode="json"), wanted.model_dump(mode="json")
    old.update(old.pop("config"))
    new.update(new.pop("config"))
    changed = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
    return "; ".join(f"{key}: {json.dumps(old.get(key))} there, {json.dumps(new.get(key))} now" for key in changed)
