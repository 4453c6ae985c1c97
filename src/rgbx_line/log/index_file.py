"""What indexes of the log have in common: SQLite files that are made again from the log when they are lost."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rgbx.errors import InputError


@contextmanager
def writing(database: sqlite3.Connection) -> Iterator[None]:
    """Write all of it or nothing; one process at a time."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # SQLite itself goes back when the disk is full
            database.execute("ROLLBACK")
        raise


@contextmanager
def index_errors(path: Path) -> Iterator[None]:
    """Name the file and the remedy in place of what SQLite raises.

    Raises:
        InputError: the index cannot be used.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise InputError(
            path, f"cannot be used ({error})", "free some space, or delete it: it is made again"
        ) from error
