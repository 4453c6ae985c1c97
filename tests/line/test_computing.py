"""What a model is shown: whole files, and none that went away while they were read."""

from pathlib import Path

import pytest

from rgbx.errors import InputError
from rgbx.inference.arrivals import Arrival
from rgbx_line.inference import computing
from rgbx_line.inference.computing import look_at


def part_of(path: Path) -> Arrival:
    path.write_bytes(b"pixels")
    status = path.stat()
    return Arrival(path.stem, {"rgb": path}, 0.0, 0.0, {"rgb": (status.st_size, status.st_mtime_ns)})


class Said:
    """A result of which only the errors matter."""

    def __init__(self, *errors: str) -> None:
        self.content = self
        self.errors = errors


@pytest.fixture
def parts(tmp_path):
    return [part_of(tmp_path / f"{name}.png") for name in "ABC"]


def test_a_part_whose_file_vanishes_while_it_is_read_comes_again_and_the_others_are_answered(parts, monkeypatch):
    def answer(_, arrivals):
        for arrival in arrivals:
            if arrival.name == "B":
                arrival.images["rgb"].unlink(missing_ok=True)
                raise InputError(arrival.images["rgb"], "does not exist", "check the path")
        return [Said() for _ in arrivals]

    monkeypatch.setattr(computing, "answer", answer)
    assert [result is None for result in look_at(None, parts)] == [False, True, False]


def test_a_file_that_is_missing_is_no_bad_image_and_one_that_is_there_is(parts, monkeypatch):
    parts[0].images["rgb"].unlink()
    monkeypatch.setattr(computing, "answer", lambda _, arrivals: [Said("cannot be read") for _ in arrivals])
    assert [result is None for result in look_at(None, parts)] == [True, False, False]


def test_a_file_that_changes_while_it_is_read_comes_again(parts, monkeypatch):
    def answer(_, arrivals):
        arrivals[0].images["rgb"].write_bytes(b"more pixels")
        return [Said() for _ in arrivals]

    monkeypatch.setattr(computing, "answer", answer)
    assert [result is None for result in look_at(None, parts)] == [True, False, False]
