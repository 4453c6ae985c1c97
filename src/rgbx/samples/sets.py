"""A set of samples on disk: ``dataset.json``, a folder of images for each class and ``metadata.jsonl``.

While a set is being rendered its records are appended to a journal (one for each shard, see :mod:`.shards`), each
after its image is in place; so a run that was killed leaves images and records that agree, and the next run renders
only what is missing. Records stay on disk: in memory there is only where each of them is, which for a large set is a
hundredth of what they would take.
"""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from rgbx.errors import ConfigError, InputError
from rgbx.files import atomic_path, check_names_differ, read_json, readable_os_errors, write_json
from rgbx.samples.record import SampleRecord, SetHeader
from rgbx.samples.seeds import SampleKey
from rgbx.samples.shards import WHOLE, Shard, absent_shards, begun_shards, finished_shards, listed

SET_FILE = "dataset.json"
METADATA = "metadata.jsonl"
JOURNALS = ("journal*.jsonl", "shard-*.jsonl")


class _Place(NamedTuple):
    """Where a record is: a line of a file."""

    path: Path
    offset: int


class SampleSet:
    """A folder of labelled images with their records; iterating reads the records one by one, sorted by file name.

    Use :meth:`create` to render into it and :meth:`open` to read it.
    """

    def __init__(self, folder: Path, header: SetHeader, shard: Shard = WHOLE) -> None:
        self.folder = folder
        self.header = header
        self.shard = shard
        self._places = _find_records(folder)

    @classmethod
    def create(cls, folder: Path, header: SetHeader, shard: Shard = WHOLE) -> Self:
        """Start a set, or a shard of one, in ``folder``, or go on with the same one that was interrupted.

        A header alone, of a run that failed before its first image, is replaced.

        Raises:
            InputError: the folder holds a set made with other settings or shards of another number, or files that
                are no set; or two classes would get folders whose names are one on some systems.
        """
        check_names_differ(((label, folder / label) for label in header.classes), "rename one of the two classes")
        there = {name for name in _file_names(folder) if not name.startswith(".")}
        if there <= {SET_FILE}:
            if not there or read_set_header(folder) != header:
                write_json(folder / SET_FILE, header.model_dump(mode="json"))
        elif SET_FILE not in there:
            raise InputError(folder, "is not empty and holds no set", "choose an empty --out folder")
        else:
            check_same_header(folder, read_set_header(folder), header)
            counts = {begun.count for begun in begun_shards(folder)}
            if shard != WHOLE and counts - {shard.count}:
                raise InputError(
                    folder,
                    f"is being rendered in {counts.pop()} shards, not {shard.count}",
                    "go on with the same number, or without --shard to render in one go all that is missing",
                )
            with suppress(FileNotFoundError):  # a complete shard is looked through once more and completed again
                (folder / shard.records).replace(folder / shard.journal)
            _end_torn_line(folder / shard.journal)
        return cls(folder, header, shard)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read a finished set.

        Raises:
            InputError: the folder is missing, is no set, or its rendering has not finished.
        """
        header = read_set_header(folder)
        if not (folder / METADATA).exists():
            absent = absent_shards(finished_shards(folder))
            if absent:
                raise InputError(
                    folder,
                    f"is not finished, shards {listed(absent)} are missing",
                    "render them with --shard, or join it with the folders that hold them ('rgbx sets join')",
                )
            raise InputError(folder, "is not finished", "run the command that renders it again, it will go on")
        return cls(folder, header)

    @property
    def records(self) -> list[SampleRecord]:
        """All records, sorted by file name, in memory: some 30 KB each."""
        return list(self)

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[SampleRecord]:
        return self.read(self.file_names)

    @property
    def file_names(self) -> list[str]:
        """Of all images, within the set, sorted."""
        return sorted(self._places)

    def read(self, names: Iterable[str]) -> Iterator[SampleRecord]:
        """Yield the records of some images, by their file names."""
        with self._opened() as files:
            for name in names:
                yield SampleRecord.model_validate_json(self._line(name, files))

    def path(self, record: SampleRecord) -> Path:
        """Return where a record's image lies."""
        return self.folder / record.file_name

    def missing(self, keys: Iterable[SampleKey], suffix: str) -> list[SampleKey]:
        """Return those of ``keys`` in this shard whose image (``.png``, ``.tiff``) or record is not there yet."""
        images = {f"{label}/{name}" for label in self.header.classes for name in _file_names(self.folder / label)}
        mine = ((key, f"{key.stem}{suffix}") for key in keys if self.shard.has(key.number))
        return [key for key, name in mine if name not in self._places or name not in images]

    def add(self, record: SampleRecord) -> None:
        """Record a sample whose image has been written.

        Raises:
            InputError: a run with other settings has taken the folder over in the meantime.
        """
        if not self._places:  # until there is a record, another run may have put its own header in place of this one
            check_same_header(self.folder, read_set_header(self.folder), self.header)
        journal = self.folder / self.shard.journal
        with readable_os_errors(journal), journal.open("ab") as lines:
            self._places[record.file_name] = _Place(journal, lines.tell())
            lines.write(record.model_dump_json().encode() + b"\n")

    def finish(self) -> bool:
        """End the shard and, if no other is missing, the set, which can then be read.

        ``metadata.jsonl`` is written, sorted, and the journals and what kills left are removed.

        Returns:
            Whether the set is complete.
        """
        metadata = self.folder / METADATA
        if self.shard != WHOLE and not metadata.exists():
            journal = self.folder / self.shard.journal
            journal.touch()
            journal.replace(self.folder / self.shard.records)
            if absent_shards(finished_shards(self.folder)):
                return False
            self._places = _find_records(self.folder)
        for label in self.header.classes:
            for torn in (self.folder / label).glob(".*"):
                torn.unlink(missing_ok=True)
        places = {}
        with (
            suppress(FileNotFoundError),
            self._opened() as files,
            atomic_path(metadata) as temporary,
            temporary.open("wb") as lines,
        ):
            for name in sorted(self._places):
                places[name] = _Place(metadata, lines.tell())
                lines.write(self._line(name, files))
        # Where a journal was gone, another machine has finished the set in this moment.
        self._places = places or _find_records(self.folder)
        for pattern in JOURNALS:
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)
        return True

    @contextmanager
    def _opened(self) -> Iterator[dict[Path, BinaryIO]]:
        with ExitStack() as stack:
            paths = {place.path for place in self._places.values()}
            yield {path: stack.enter_context(path.open("rb")) for path in paths}

    def _line(self, name: str, files: dict[Path, BinaryIO]) -> bytes:
        path, offset = self._places[name]
        files[path].seek(offset)
        return files[path].readline()


def read_set_header(folder: Path) -> SetHeader:
    """Read what a set is, finished or not.

    Raises:
        InputError: the folder is missing or is no set.
    """
    if not folder.is_dir():
        raise InputError(folder, "does not exist", "check the path of the set")
    if not (folder / SET_FILE).exists():
        raise InputError(folder, f"holds no {SET_FILE}", "give a folder made by 'rgbx render' or 'rgbx scan'")
    return SetHeader.model_validate(read_json(folder / SET_FILE))


def check_same_header(folder: Path, found: SetHeader, wanted: SetHeader) -> None:
    """Refuse a set in ``folder`` that was made with other settings.

    Raises:
        InputError: naming what differs.
    """
    if found != wanted:
        raise InputError(
            folder,
            f"holds a set made with other settings ({_difference(found, wanted)})",
            "choose another --out folder or delete this one",
        )


def find_record(image: Path) -> SampleRecord:
    """Return the record of one image of a set, given the image's path (``SET/CLASS/NUMBER.png``).

    Raises:
        InputError: the image is in no set, or the set has no record of it.
    """
    place = image.resolve()
    folder, name = place.parent.parent, f"{place.parent.name}/{place.name}"
    if not (folder / SET_FILE).exists():
        raise InputError(image, "is not in a set", "give an image as SET/CLASS/NUMBER.png")
    samples = SampleSet(folder, read_set_header(folder))
    if name not in samples.file_names:
        raise InputError(image, f"is not on record in {folder / METADATA}", "choose an image that is")
    return next(samples.read([name]))


def _find_records(folder: Path) -> dict[str, _Place]:
    """Return where the record of each image is: in a journal or, which counts if it is there, ``metadata.jsonl``.

    That is read last, since another machine may be finishing the set: before it removes journals, it writes that.
    """
    places: dict[str, _Place] = {}
    for path in [*(path for pattern in JOURNALS for path in sorted(folder.glob(pattern))), folder / METADATA]:
        with suppress(FileNotFoundError), path.open("rb") as lines:
            offset = 0
            for number, line in enumerate(lines, start=1):
                try:
                    places[SampleRecord.model_validate_json(line).file_name] = _Place(path, offset)
                except ConfigError as error:
                    if path.name == METADATA:  # else a line torn by a kill: that sample is simply rendered again
                        raise InputError(path, f"has a damaged line {number}", "render the set again") from error
                offset += len(line)
    return places


def _end_torn_line(journal: Path) -> None:
    """End what a kill left unfinished, so that the next record gets a line of its own."""
    with suppress(FileNotFoundError), journal.open("r+b") as lines:
        if lines.seek(0, os.SEEK_END) > 0:
            lines.seek(-1, os.SEEK_END)
            if lines.read() != b"\n":
                lines.write(b"\n")


def _file_names(folder: Path) -> list[str]:
    return [entry.name for entry in os.scandir(folder)] if folder.is_dir() else []


def _difference(found: SetHeader, wanted: SetHeader) -> str:
    old, new = found.model_dump(mode="json"), wanted.model_dump(mode="json")
    old.update(old.pop("config"))
    new.update(new.pop("config"))
    changed = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
    return "; ".join(f"{key}: {json.dumps(old.get(key))} there, {json.dumps(new.get(key))} now" for key in changed)
