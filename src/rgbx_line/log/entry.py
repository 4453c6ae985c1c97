"""One line of the log: what happened, when, and the hash that ties it to the line before.

A line is JSON, its fields in this order, and ends with its own hash::

    {"number":7,"time":"…","kind":"result","previous":"…","content":{…},"hash":"…"}

``hash`` is the SHA-256 of all that stands before it in the line, ``previous`` the hash of the line before. So a byte
that was altered is seen in the line itself, and a line that was put in, left out or exchanged in the next.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_core import from_json

FIRST_PREVIOUS = "0" * 64
"""What the first line of a log has for the hash of the one before."""
_BEFORE_HASH = b',"hash":"'
_HASH_END = b'"}\n'
_HASH_LENGTH = 64
_TAIL = len(_BEFORE_HASH) + _HASH_LENGTH + len(_HASH_END)


class DamagedLine(ValueError):
    """A line is not as it was written."""


@dataclass(frozen=True)
class Entry:
    """A line of the log."""

    number: int
    """1 for the first line of the log; each next one has the next number."""
    time: datetime
    """By the machine's clock, which may be set back: the order is that of the numbers."""
    kind: str
    """What it is about, such as ``"result"`` or ``"started"``."""
    content: dict[str, Any]
    previous: str
    """Hash of the line before, 64 hex digits."""
    hash: str = ""
    """Its own; empty before it is written."""


def encode(entry: Entry) -> tuple[Entry, bytes]:
    """Return an entry with its hash, and its line.

    Raises:
        ValueError: its content is no JSON (NaN is none).
    """
    fields = {
        "number": entry.number,
        "time": entry.time.isoformat(),
        "kind": entry.kind,
        "previous": entry.previous,
        "content": entry.content,
    }
    hashed = json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()[:-1]
    digest = hashlib.sha256(hashed).hexdigest()
    sealed = Entry(entry.number, entry.time, entry.kind, entry.content, entry.previous, digest)
    return sealed, hashed + _BEFORE_HASH + digest.encode() + _HASH_END


def decode(line: bytes) -> Entry:
    """Return the entry that a line holds.

    Args:
        line: with the newline at its end.

    Raises:
        DamagedLine: it does not have the hash that it says.
    """
    digest = check_line(line)
    fields = from_json(line)
    return Entry(
        fields["number"],
        datetime.fromisoformat(fields["time"]),
        fields["kind"],
        fields["content"],
        fields["previous"],
        digest,
    )


def check_line(line: bytes) -> str:
    """Return the hash of a line, which is as it was written.

    Raises:
        DamagedLine: it is not.
    """
    hashed, tail = line[:-_TAIL], line[-_TAIL:]
    digest = hashlib.sha256(hashed).hexdigest()
    if tail != _BEFORE_HASH + digest.encode() + _HASH_END:
        raise DamagedLine("is not as it was written")
    return digest


def is_unfinished(line: bytes) -> bool:
    """Return whether a line breaks off, as the last one may; one that ends in another byte than it did does not."""
    if line.endswith(b"\n"):
        return False
    try:
        check_line(line[:-1] + b"\n")
    except DamagedLine:
        return True
    return False
