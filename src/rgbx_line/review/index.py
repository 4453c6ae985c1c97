"""Results, opinions and candidates' answers, found without reading the log: made from it, and brought up to date.

It may be deleted at any time and is the same when it is made again. Several processes may use it at once.
"""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Self

from rgbx_line.contract import LATE_ANSWER, RESULT, REVIEW, SHADOW_ANSWER
from rgbx_line.log.entry import Entry
from rgbx_line.log.index_file import index_errors, writing
from rgbx_line.log.segments import BEGINNING, Position, read_entries, read_entry, segment_numbers, segment_path
from rgbx_line.review.facts import drawn_at, is_late, second_drawn_at, what_was_said
from rgbx_line.review.standing import Standing, standing_of
from rgbx_line.review.tables import forget_all, open_tables
from rgbx_line.review_mix import ReviewMix

AT_ONCE = 5000
"""Entries that are taken in together."""
_DAY_S = 24 * 3600.0
_NUMBERED = (("results", "number"), ("votes", "result"), ("shadows", "result"), ("looks", "result"))
"""Tables, and the column with the number of the result that their rows are about."""
_WAITING = "images AND state != 'disputed' AND opinions < 1 + (second < :second) AND number >= :window"
"""Whether somebody shall look at a device."""


class Vote(NamedTuple):
    """What a reviewer says of a device, by the last word."""

    who: str
    label: str
    why: str
    time: datetime
    number: int
    """Of its entry in the log."""
    hash: str


class ReviewIndex:
    """The index of a log; open it, update it, ask it, close it.

    Args:
        log: folder of the log.
        path: of the index; made when it is missing.
        mix: settings that say what is asked about.

    Raises:
        InputError: the index cannot be opened.
    """

    def __init__(self, log: Path, path: Path, mix: ReviewMix) -> None:
        self.log = log
        self.path = path
        self.mix = mix
        with index_errors(self.path):
            self._database = open_tables(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def update(self, most: int | None = None) -> int:
        """Take in what the log has more than the index.

        Args:
            most: how many entries at most; all when None.

        Returns:
            How many were taken in.

        Raises:
            InputError: a line of the log is damaged, or the index cannot be written.
        """
        taken = 0
        with index_errors(self.path):
            self._leave_out()
            while most is None or taken < most:
                together = AT_ONCE if most is None else min(AT_ONCE, most - taken)
                count = self._take_in(together)
                taken += count
                if count < together:
                    return taken
        return taken

    def rows(self, question: str, **values: Any) -> list[sqlite3.Row]:
        """Return what the tables hold (:mod:`rgbx_line.review.tables`).

        Args:
            question: in SQL.
            values: of the names in it.

        Raises:
            InputError: the index cannot be read.
        """
        with index_errors(self.path):
            return self._database.execute(question, values).fetchall()

    def entry(self, row: sqlite3.Row, late: bool = False) -> Entry | None:
        """Return the line of the log that a row of ``results`` is of; None where it has gone for its age.

        Args:
            row: with ``segment`` and ``offset``.
            late: the line with what the model said too late, instead; None where there is none.

        Raises:
            InputError: the line is damaged.
        """
        segment, offset = (row["late_segment"], row["late_offset"]) if late else (row["segment"], row["offset"])
        return None if segment is None else read_entry(self.log, Position(segment, offset))

    def votes(self, result: int) -> list[Vote]:
        """Return what reviewers say of a device, by the number of its result."""
        found = self.rows("SELECT * FROM votes WHERE result = :result ORDER BY number", result=result)
        return [
            Vote(
                row["who"],
                row["label"],
                row["why"],
                datetime.fromtimestamp(row["time"], UTC),
                row["number"],
                row["hash"],
            )
            for row in found
        ]

    def standing(self, result: int) -> Standing:
        """Return what reviewers' opinions of a device come to."""
        return standing_of({vote.who: vote.label for vote in self.votes(result)})

    # Keeping up

    def _leave_out(self) -> None:
        """Forget what is gone from the log; forget all when it is another one, such as one from a backup."""
        segments = segment_numbers(self.log)
        with writing(self._database):
            row = self._reached()
            if row is None:
                return
            if not segments or not self._is_the_same(row):
                forget_all(self._database)
                return
            if row["oldest"] != segments[0]:
                for table, column in _NUMBERED:
                    self._database.execute(f"DELETE FROM {table} WHERE {column} < ?", (segments[0],))
                self._database.execute("UPDATE reached SET oldest = ?", (segments[0],))
            if row["mix"] != self._mix():
                self._database.execute("UPDATE reached SET mix = ?", (self._mix(),))
                self._move_window(-1)

    def _take_in(self, most: int) -> int:
        """Take in so many entries; return how many there were."""
        with writing(self._database):
            row = self._reached()
            after = BEGINNING if row is None else Position(row["segment"], row["end"])
            count, last, begin, changed = 0, None, after, set()
            for entry, position in read_entries(self.log, after):
                begin = Position(position.segment, after.offset if position.segment == after.segment else 0)
                take = _TAKES.get(entry.kind)
                if take is not None:
                    changed |= take(self._database, entry, begin)
                count, last, after = count + 1, entry, position
                if count == most:
                    break
            if last is None:
                return 0
            oldest = segment_numbers(self.log)[0] if row is None else row["oldest"]
            window = 0 if row is None else row["window"]
            self._database.execute("DELETE FROM reached")
            self._database.execute(
                "INSERT INTO reached VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (last.number, last.hash, after.segment, begin.offset, after.offset, oldest, window, self._mix()),
            )
            self._move_window(window)
            self._judge(changed)
            return count

    def _move_window(self, before: int) -> None:
        """Let devices that have become too old wait no longer; all are looked at again when the window widens."""
        (newest,) = self._database.execute("SELECT max(time) FROM results").fetchone()
        begin = self._database.execute(
            "SELECT number FROM results WHERE time >= ? ORDER BY time LIMIT 1",
            ((newest or 0.0) - self.mix.days * _DAY_S,),
        ).fetchone()
        window = begin["number"] if begin else 0
        self._database.execute("UPDATE reached SET window = ?", (window,))
        values = {"second": self.mix.second_opinion, "window": window}
        if window < before or before < 0:
            self._database.execute(f"UPDATE results SET waiting = ({_WAITING}) WHERE waiting != ({_WAITING})", values)
        else:
            self._database.execute("UPDATE results SET waiting = 0 WHERE number >= ? AND number < ?", (before, window))

    def _judge(self, changed: set[int]) -> None:
        """Note what the opinions about some results come to, and whether they wait."""
        (window,) = self._database.execute("SELECT window FROM reached").fetchone()
        for result in sorted(changed):
            state, label, opinions = self.standing(result)
            self._database.execute(
                "UPDATE results SET state = :state, verdict = :label, opinions = :opinions WHERE number = :result",
                {"state": state, "label": label, "opinions": opinions, "result": result},
            )
            self._database.execute(
                f"UPDATE results SET waiting = ({_WAITING}) WHERE number = :result",
                {"second": self.mix.second_opinion, "window": window, "result": result},
            )

    def _is_the_same(self, row: sqlite3.Row) -> bool:
        """Say whether the log has, where the last line was that was taken in, that line."""
        path = segment_path(self.log, row["segment"])
        if not path.exists():
            return False
        with path.open("rb") as file:
            file.seek(row["begin"])
            return file.readline().endswith(f'"hash":"{row["hash"]}"}}\n'.encode())

    def _reached(self) -> sqlite3.Row | None:
        found: sqlite3.Row | None = self._database.execute("SELECT * FROM reached").fetchone()
        return found

    def _mix(self) -> str:
        return f"{self.mix.days} {self.mix.second_opinion}"


def _take_result(database: sqlite3.Connection, entry: Entry, begin: Position) -> set[int]:
    content = entry.content
    said = what_was_said(content)
    values = {
        "number": entry.number,
        "time": entry.time.timestamp(),
        "segment": begin.segment,
        "offset": begin.offset,
        "seq": content["seq"],
        "part": content["part_id"],
        "model": content["model_number"],
        "label": said.label,
        "bin": content["bin"],
        "reason": content["reason"],
        "margin": said.margin,
        "unknown": said.unknown,
        "disagree": said.disagree,
        "late": is_late(content),
        "images": said.images,
        "draw": drawn_at(entry),
        "second": second_drawn_at(entry),
        "waiting": said.images,
    }
    names = ", ".join(values)
    database.execute(f"INSERT INTO results ({names}) VALUES ({', '.join(f':{name}' for name in values)})", values)
    return set()


def _take_late(database: sqlite3.Connection, entry: Entry, begin: Position) -> set[int]:
    result = _result_of(database, entry.content)
    if result is None:
        return set()
    said = what_was_said(entry.content)
    database.execute(
        "UPDATE results SET late_segment = ?, late_offset = ?, images = images OR ?, margin = ifnull(margin, ?)"
        " WHERE number = ?",
        (begin.segment, begin.offset, said.images, said.margin, result),
    )
    return {result}


def _take_shadow(database: sqlite3.Connection, entry: Entry, _: Position) -> set[int]:
    result = _result_of(database, entry.content)
    if result is not None:
        said = what_was_said(entry.content)
        went = database.execute("SELECT bin, late FROM results WHERE number = ?", (result,)).fetchone()
        differs = said.bin != went["bin"] and not went["late"]
        database.execute(
            "INSERT OR REPLACE INTO shadows VALUES (?, ?, ?, ?, ?, ?, ?)",
            (result, entry.content["model_number"], entry.number, said.label, said.bin, said.reason, differs),
        )
    return set()


def _take_review(database: sqlite3.Connection, entry: Entry, _: Position) -> set[int]:
    content = entry.content
    result, who, label = content["number"], content["who"], content["label"]
    row = database.execute("SELECT part FROM results WHERE number = ?", (result,)).fetchone()
    if row is None or row["part"] != content["part_id"]:
        return set()
    database.execute("INSERT OR IGNORE INTO looks VALUES (?, ?)", (result, entry.number))
    if label is None:
        database.execute("DELETE FROM votes WHERE result = ? AND who = ?", (result, who))
    else:
        database.execute(
            "INSERT OR REPLACE INTO votes VALUES (?, ?, ?, ?, ?, ?, ?)",
            (result, who, entry.number, entry.time.timestamp(), label, content["why"], entry.hash),
        )
    return {result}


def _result_of(database: sqlite3.Connection, content: dict[str, Any]) -> int | None:
    """Return the number of the result for the part that an entry is about; PartSeq begins again some day."""
    found: Sequence[Any] | None = database.execute(
        "SELECT max(number) FROM results WHERE seq = ? AND part = ?", (content["seq"], content["part_id"])
    ).fetchone()
    return found[0] if found else None


_TAKES: dict[str, Callable[[sqlite3.Connection, Entry, Position], set[int]]] = {
    RESULT: _take_result,
    LATE_ANSWER: _take_late,
    SHADOW_ANSWER: _take_shadow,
    REVIEW: _take_review,
}
