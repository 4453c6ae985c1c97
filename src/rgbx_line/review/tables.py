"""The tables of the index that the review is made from; SQLite, with a rollback journal and no WAL."""

import sqlite3
from pathlib import Path

from rgbx_line.log.index_file import writing

WAIT_FOR_OTHERS_S = 60.0
"""For another process that brings the index up to date: seconds."""
CACHE_KIB = 64 * 1024
"""At most: with less, much that is taken in at once would be written again and again, and hold up who reads."""
_FORMAT = 3
"""Of the tables; an index of another one is made anew."""
_TABLES = """
CREATE TABLE results (
    number INTEGER PRIMARY KEY, time REAL, segment INTEGER, offset INTEGER, seq INTEGER, part TEXT, model INTEGER,
    label TEXT, bin TEXT, reason TEXT, margin REAL, unknown REAL, disagree INTEGER, late INTEGER, images INTEGER,
    late_segment INTEGER, late_offset INTEGER, draw REAL, second REAL,
    state TEXT DEFAULT 'open', verdict TEXT, opinions INTEGER DEFAULT 0, waiting INTEGER DEFAULT 0
);
CREATE INDEX by_time ON results (time);
CREATE INDEX by_seq ON results (seq);
CREATE INDEX by_draw ON results (draw, waiting, time, model, bin, state, verdict, images);
CREATE INDEX by_margin ON results (margin) WHERE waiting AND bin IS NOT NULL AND margin IS NOT NULL;
CREATE INDEX by_aside ON results (margin) WHERE waiting AND reason = 'low confidence' AND margin IS NOT NULL;
CREATE INDEX by_unknown ON results (number) WHERE waiting AND reason = 'unknown';
CREATE INDEX by_disagree ON results (bin IS NULL, number DESC) WHERE waiting AND disagree;
CREATE INDEX by_late ON results (number) WHERE waiting AND late;
CREATE INDEX by_state ON results (state, time) WHERE state != 'open';
CREATE TABLE votes (
    result INTEGER, who TEXT, number INTEGER, time REAL, label TEXT, why TEXT, hash TEXT, PRIMARY KEY (result, who)
) WITHOUT ROWID;
CREATE INDEX by_who ON votes (who, number);
CREATE TABLE shadows (
    result INTEGER, model INTEGER, number INTEGER, label TEXT, bin TEXT, reason TEXT, differs INTEGER,
    PRIMARY KEY (result, model)
) WITHOUT ROWID;
CREATE INDEX by_difference ON shadows (model, differs, result);
CREATE TABLE looks (result INTEGER PRIMARY KEY, number INTEGER);
CREATE TABLE reached (
    number INTEGER, hash TEXT, segment INTEGER, begin INTEGER, end INTEGER, oldest INTEGER, window INTEGER, mix TEXT
);
"""


def open_tables(path: Path) -> sqlite3.Connection:
    """Open an index, or make it; one that is damaged or of another format is made anew.

    Raises:
        sqlite3.Error: it is locked for long, or the disk is full.
    """
    try:
        return _connected(path)
    except (sqlite3.OperationalError, sqlite3.NotSupportedError):
        raise
    except sqlite3.DatabaseError:
        path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
        path.unlink()
        return _connected(path)


def forget_all(database: sqlite3.Connection) -> None:
    """Empty every table, within a transaction."""
    for table in ("results", "votes", "shadows", "looks", "reached"):
        database.execute(f"DELETE FROM {table}")


def _connected(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=WAIT_FOR_OTHERS_S, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode = DELETE")
        database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        database.row_factory = sqlite3.Row
        if database.execute("PRAGMA user_version").fetchone()[0] != _FORMAT:
            _make(database)
    except BaseException:
        database.close()
        raise
    return database


def _make(database: sqlite3.Connection) -> None:
    with writing(database):
        if database.execute("PRAGMA user_version").fetchone()[0] != _FORMAT:  # another process may have been first
            for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                database.execute(f"DROP TABLE {table}")
            for statement in _TABLES.split(";"):
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {_FORMAT}")
