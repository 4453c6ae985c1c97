"""Shards: disjoint parts of a set that are rendered apart, by several machines or one after the other.

Shard i of N has the images i-1, i-1+N, i-1+2N, … of every class. While it is being rendered its records are in
``journal-i-of-N.jsonl``, once it is complete in ``shard-i-of-N.jsonl``; so machines that share a folder never write
to the same file, and the folder itself says which shards are there.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rgbx.errors import ConfigError

FINISHED = re.compile(r"shard-(\d+)-of-(\d+)\.jsonl")
BEGUN = re.compile(r"(?:shard|journal)-(\d+)-of-(\d+)\.jsonl")


@dataclass(frozen=True, order=True)
class Shard:
    """One of ``count`` parts of a set; numbers begin with 1."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``"2/4"``.

        Raises:
            ConfigError: it is not of that form or out of range.
        """
        match = re.fullmatch(r"(\d+)/(\d+)", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise ConfigError(f"'{text}' is no shard: write --shard i/N with i from 1 to N, e.g. --shard 2/4.")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def has(self, number: int) -> bool:
        """Whether the samples with this number, 0-based within their class, belong to the shard."""
        return number % self.count == self.number - 1

    @property
    def suffix(self) -> str:
        """What distinguishes its files from those of other shards, ``"-2-of-4"``; nothing when it is the whole set."""
        return "" if self == WHOLE else f"-{self.number}-of-{self.count}"

    @property
    def journal(self) -> str:
        """File of its records while it is being rendered."""
        return f"journal{self.suffix}.jsonl"

    @property
    def records(self) -> str:
        """File of its records once it is complete."""
        return f"shard{self.suffix}.jsonl"


WHOLE = Shard(1, 1)
"""A set that is rendered in one go."""


def finished_shards(folder: Path) -> list[Shard]:
    """Return the shards that are complete in ``folder``."""
    return _shards_named(FINISHED, folder)


def begun_shards(folder: Path) -> list[Shard]:
    """Return the shards that have files in ``folder``."""
    return _shards_named(BEGUN, folder)


def absent_shards(there: Iterable[Shard]) -> list[Shard]:
    """Return which shards are wanted besides those that are ``there``; they are of one count."""
    shards = set(there)
    counts = {shard.count for shard in shards}
    return sorted({Shard(number, count) for count in counts for number in range(1, count + 1)} - shards)


def listed(shards: Iterable[Shard]) -> str:
    """Return ``"2/4, 3/4"``."""
    return ", ".join(map(str, shards))


def _shards_named(pattern: re.Pattern[str], folder: Path) -> list[Shard]:
    matches = (pattern.fullmatch(path.name) for path in folder.iterdir())
    return sorted({Shard(int(match[1]), int(match[2])) for match in matches if match})
