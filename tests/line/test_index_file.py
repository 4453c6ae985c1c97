import sqlite3
from pathlib import Path

import pytest

from rgbx.errors import InputError
from rgbx_line.log.index_file import index_errors, writing


def test_a_full_disk_is_named_and_what_was_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("CREATE TABLE parts (name TEXT)")
    with writing(database):
        database.execute("INSERT INTO parts VALUES ('P1')")
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(InputError, match=r"index\.sqlite.*full.*free some space"), index_errors(path):  # noqa: SIM117
        with writing(database):
            database.execute("INSERT INTO parts VALUES (?)", ("x" * 100_000,))
    database.execute(f"PRAGMA max_page_count = {pages + 100}")
    with writing(database):  # goes on once there is space
        database.execute("INSERT INTO parts VALUES ('P2')")
    assert database.execute("SELECT name FROM parts").fetchall() == [("P1",), ("P2",)]


def test_what_fails_halfway_is_not_written(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "index.sqlite", isolation_level=None)
    database.execute("CREATE TABLE parts (name TEXT)")
    with pytest.raises(KeyError), writing(database):
        database.execute("INSERT INTO parts VALUES ('P1')")
        raise KeyError
    assert database.execute("SELECT count(*) FROM parts").fetchone() == (0,)
