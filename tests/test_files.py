import errno
import json
from pathlib import Path

import pytest

from rgbx.errors import InputError, RgbxError
from rgbx.files import atomic_path, digest, read_json, write_json


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "new" / "a.json"
    write_json(path, {"x": 1})
    write_json(path, {"x": 2})
    assert json.loads(path.read_text()) == {"x": 2}
    assert [entry.name for entry in path.parent.iterdir()] == ["a.json"]


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"x": 1})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"x": float("nan")})
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert read_json(path) == {"x": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_a_full_disk_is_said_in_a_sentence(tmp_path):
    path = tmp_path / "a.bin"
    with pytest.raises(RgbxError, match=r"a\.bin .* disk is full: free some space"), atomic_path(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not path.exists()


def test_a_file_where_a_folder_should_be_is_named(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="out"):
        write_json(tmp_path / "out" / "a.json", {})


def test_a_place_where_nothing_can_be_made_is_named():
    with pytest.raises(InputError, match=r"/proc/x/a\.json cannot be written .*: choose another folder"):
        write_json(Path("/proc/x/a.json"), {})


@pytest.mark.parametrize("content", [None, "{", b"\xff\xfe"])
def test_unreadable_json_is_named(tmp_path, content):
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=r"a\.json"):
        read_json(path)


def test_digest_depends_on_where_the_pieces_part():
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("ab") == digest(b"ab")
