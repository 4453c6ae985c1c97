"""The log of a period as tables that DuckDB queries: the JSON lines as they are, each checked against its hash."""

import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import duckdb

from rgbx.errors import InputError
from rgbx_line.contract import AUDIT, RESULT, STATE
from rgbx_line.log.entry import DamagedLine, check_line, decode, is_unfinished
from rgbx_line.log.segments import RESTORE, segment_numbers, segment_path

SLACK = timedelta(days=1)
"""That is read beyond a period: a clock may have been set back, and what the line was as it began was noted before."""
MEMORY = "500MB"
_LAST = 2**63 - 1
_US = 1e6
_FEW = (AUDIT, STATE, "started", "stopped", "recovered", "retired")
"""Kinds of entries that are kept whole: there are few."""
_TABLES = """
CREATE TABLE lines AS
SELECT number, epoch_us(CAST(time AS TIMESTAMPTZ)) AS us, kind, hash,
    CASE WHEN kind IN ({few}) THEN CAST(content AS VARCHAR) END AS content,
    content->>'$.bin' AS bin, content->>'$.reason' AS reason,
    CAST(content->>'$.model_number' AS BIGINT) AS model, CAST(content->>'$.latency_ms' AS DOUBLE) AS latency_ms,
    content->>'$.result.ResultContent[0].label' AS label
FROM read_json([{files}], format = 'newline_delimited', maximum_object_size = 67108864, columns = {{
    number: 'BIGINT', time: 'VARCHAR', kind: 'VARCHAR', content: 'JSON', hash: 'VARCHAR'}})
WHERE number <= {through};
CREATE VIEW results AS SELECT * FROM lines WHERE kind = '{result}' AND us >= {since} AND us < {until};
"""


class LogTables:
    """The tables of a period, for a ``with``.

    ``lines`` has a row for each line of the period, and of a day or more around it: ``number``, ``us`` (microseconds
    since 1970), ``kind``, ``hash``, and of some kinds all of the ``content``, as JSON. ``results`` has those of the
    answers of the period: their ``bin``, ``reason``, ``model``, ``latency_ms`` and ``label``.

    Args:
        log: folder of the log.
        since: beginning of the period, aware.
        until: its end.
        through: number of the last line that may be told of; all when None.

    Raises:
        InputError: a line is not as it was written.
    """

    def __init__(self, log: Path, since: datetime, until: datetime, through: int | None = None) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="rgbx-report-")
        try:
            folder = Path(self._temporary.name)
            newest = segment_path(log, max(segment_numbers(log), default=0))
            files = [_checked(path, folder, path == newest) for path in _segments_of(log, since, until)]
            if not files:
                files = [folder / "nothing.jsonl"]
                files[0].touch()
            self._database = duckdb.connect(
                config={
                    "threads": 1,
                    "memory_limit": MEMORY,
                    "temp_directory": str(folder),
                    "autoinstall_known_extensions": False,  # nothing is fetched from anywhere
                    "autoload_known_extensions": False,
                }
            )
            self._database.execute(
                _TABLES.format(
                    few=_quoted(_FEW),
                    files=_quoted([str(file) for file in files]),
                    through=_LAST if through is None else through,
                    result=RESULT,
                    since=microseconds_of(since),
                    until=microseconds_of(until),
                )
            )
        except BaseException:
            self._temporary.cleanup()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()
        self._temporary.cleanup()

    def rows(self, question: str, **values: Any) -> list[tuple[Any, ...]]:
        """Return what the tables hold.

        Args:
            question: in SQL.
            values: of the ``$names`` in it.
        """
        return self._database.execute(question, values or None).fetchall()


def moment_of(microseconds: float) -> datetime:
    """Return the time that microseconds since 1970 are."""
    return datetime.fromtimestamp(microseconds / _US, UTC)


def microseconds_of(moment: datetime) -> int:
    """Return a time as microseconds since 1970."""
    return round(moment.timestamp() * _US)


def _segments_of(log: Path, since: datetime, until: datetime) -> Iterator[Path]:
    """Yield the segments that may have lines of a period, in order."""
    paths = [segment_path(log, first) for first in segment_numbers(log)]
    begun = [_first_time(path) for path in paths]
    for place, path in enumerate(paths):
        ends_too_early = place + 1 < len(paths) and begun[place + 1] < since - SLACK
        if not ends_too_early and begun[place] <= until + SLACK:
            yield path


def _first_time(path: Path) -> datetime:
    with path.open("rb") as file:
        line = file.readline()
    try:
        return decode(line).time
    except DamagedLine as error:
        if is_unfinished(line):  # the first line of a segment that was only just begun
            return datetime.now(UTC)
        raise InputError(path, "is damaged in line 1", RESTORE) from error


def _checked(path: Path, folder: Path, is_written: bool) -> Path:
    """Return a segment all of whose lines are whole: a copy of the one that is being written.

    Raises:
        InputError: a line is not as it was written.
    """
    whole = 0
    with path.open("rb") as file:
        for place, line in enumerate(file, start=1):
            try:
                check_line(line)
            except DamagedLine as error:
                if is_unfinished(line):
                    break
                raise InputError(path, f"is damaged in line {place}", RESTORE) from error
            whole += len(line)
        if not is_written:
            return path
        file.seek(0)
        copy = folder / path.name
        copy.write_bytes(file.read(whole))
    return copy


def _quoted(texts: Sequence[str]) -> str:
    return ", ".join("'" + text.replace("'", "''") + "'" for text in texts)
