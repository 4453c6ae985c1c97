"""The parts between trigger and answer, on a clock that nobody sets back."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from rgbx.errors import RgbxError
from rgbx.inference.arrivals import Arrival
from rgbx.names import printable, same_name
from rgbx_line.contract import PART_SEQ_MODULUS

ANSWERED_KEPT = 20_000
"""How many answered parts the line knows by name."""
LONGEST_ID = 200
"""Characters of a part's name."""
_Value = TypeVar("_Value")


class UnusablePart(RgbxError):
    """A part that the line will never take under this name, however often it is asked."""


@dataclass(eq=False)
class OpenPart:
    """A part without an answer, or with one that came too late to be its own."""

    seq: int
    name: str
    due: float
    """Seconds of the steady clock at which it is answered, whatever is there."""
    triggered: datetime | None = None
    arrival: Arrival | None = None
    """Its images."""
    seen: float | None = None
    """Seconds of the steady clock at which its last image was found whole."""
    answered: bool = False


@dataclass
class OpenParts:
    """Which parts are open. Images belong to the part whose name they carry, and to no other.

    Times are seconds of a steady clock.
    """

    deadline: float
    """Seconds from a part's trigger, or its first image, to its answer."""
    last_seq: int = 0
    """Of the parts so far."""
    _by_name: dict[str, OpenPart] = field(default_factory=dict)
    _answered: dict[str, int] = field(default_factory=dict)
    """The last ones that had their images, by name, with their ``seq``: the same name opens no second part."""
    _imageless: dict[str, OpenPart] = field(default_factory=dict)
    """The last ones that were answered without images, which may still come."""

    def __len__(self) -> int:
        return len(self._by_name)

    def trigger(self, name: str | None, now: float, time: datetime) -> OpenPart:
        """Open a part that the controls announce; without a name it is called after its number.

        Raises:
            UnusablePart: a part of this name is open or was answered, or the name cannot be used.
        """
        seq = self._next_seq()
        part = OpenPart(seq, checked_name(name) if name else f"{seq}", now + self.deadline, time)
        key = same_name(part.name)
        if key in self._by_name or self._was_answered(key):
            state = "is open" if key in self._by_name else "was answered"
            raise UnusablePart(f"the part '{part.name}' {state} already: give each part its own name.")
        return self._open(part)

    def arrived(self, images: Arrival, first: float, last: float) -> OpenPart | None:
        """Give a part its images; without a trigger they open one.

        Args:
            images: of one device.
            first: when its first image was found.
            last: when its last image was.

        Returns:
            The part, which may have been answered without them; None where it has images already.
        """
        key = same_name(images.name)
        part = self._by_name.get(key) or self._imageless.pop(key, None)
        if part is None:
            if key in self._answered:
                return None
            part = self._open(OpenPart(self._next_seq(), images.name, first + self.deadline))
        elif part.arrival is not None:
            return None
        part.arrival, part.seen = images, last
        if part.answered:
            _keep(self._answered, key, part.seq)
        return part

    def waits_for_images(self, name: str) -> bool:
        """Say whether a part is open and has no images."""
        part = self._by_name.get(same_name(name))
        return part is not None and part.arrival is None

    def seq_of(self, name: str) -> int:
        """Return the ``PartSeq`` of the part of a name that is open or was answered; 0 where it was too long ago."""
        key = same_name(name)
        part = self._by_name.get(key) or self._imageless.get(key)
        return part.seq if part else self._answered.get(key, 0)

    def remember_answered(self, name: str, seq: int) -> None:
        """Take a part as answered before this process began."""
        _keep(self._answered, same_name(name), seq)

    def reopen(self, part: OpenPart) -> None:
        """Take up a part that was open when the line went down."""
        self._by_name[same_name(part.name)] = part

    def close(self, part: OpenPart) -> None:
        """Take a part as answered: it gets no second answer."""
        part.answered = True
        key = same_name(part.name)
        self._by_name.pop(key, None)
        if part.arrival is None:
            _keep(self._imageless, key, part)
        else:
            _keep(self._answered, key, part.seq)

    def all(self) -> list[OpenPart]:
        """Return the open parts, the oldest first."""
        return list(self._by_name.values())

    def _was_answered(self, key: str) -> bool:
        return key in self._answered or key in self._imageless

    def _open(self, part: OpenPart) -> OpenPart:
        self.last_seq = part.seq
        self._by_name[same_name(part.name)] = part
        return part

    def _next_seq(self) -> int:
        return (self.last_seq + 1) % PART_SEQ_MODULUS


def _keep(kept: dict[str, _Value], key: str, value: _Value) -> None:
    kept[key] = value
    if len(kept) > ANSWERED_KEPT:
        del kept[next(iter(kept))]


def checked_name(name: str) -> str:
    """Return a part's name as it is kept.

    Raises:
        UnusablePart: it is too long, or has signs that cannot be in the name of a file.
    """
    kept = printable(name).strip()
    if not kept or len(kept) > LONGEST_ID or any(sign in kept for sign in "/\\\0\n\r"):
        raise UnusablePart(
            f"a part cannot be called '{kept[:40]}': use up to {LONGEST_ID} letters, digits, - _ and dots."
        )
    return kept
