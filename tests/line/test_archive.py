"""Files of answered parts leave the hot folders, once, and go when they are old."""

from datetime import date
from pathlib import Path

import pytest

from rgbx_line.archive import prune, tidy
from rgbx_line.contract import LATE_ANSWER, LEFT_OUT, RESULT, PartResult, ReasonCode
from rgbx_line.log.cursor import Cursor
from rgbx_line.log.line_log import LineLog
from rgbx_line.settings import LineFolder, LineSettings


@pytest.fixture
def settings(tmp_path: Path) -> LineSettings:
    (tmp_path / "camera").mkdir()
    return settings_of(tmp_path, "archive")


def settings_of(folder: Path, answered: str, **keep: float) -> LineSettings:
    return LineSettings.model_validate(
        {
            "folder": folder / "line",
            "bundle": folder / "model",
            "bins": {},
            "images": {"rgb": folder / "camera", "answered": answered},
            "keep": {"free_gb": 0.1, **keep},
        }
    )


def answer_of(image: Path) -> dict:
    image.write_bytes(b"pixels")
    return PartResult(
        seq=3,
        part_id="A",
        bin=None,
        bin_code=0,
        reason="unknown",
        reason_code=ReasonCode.UNKNOWN,
        model_number=1,
        images={"rgb": str(image)},
    ).model_dump(mode="json")


def tidied(settings: LineSettings, kind: str, content: dict) -> LineFolder:
    folder = LineFolder(settings.folder)
    with LineLog(folder.log) as log:
        log.append([(kind, content)])
        tidy(settings, Cursor(folder.cursors / "archive.json"), log.number)
        tidy(settings, Cursor(folder.cursors / "archive.json"), log.number)  # as after a crash before it was saved
    return folder


def test_an_answered_file_is_archived_by_day_and_number(settings, tmp_path):
    folder = tidied(settings, RESULT, answer_of(tmp_path / "camera/A.png"))
    (kept,) = folder.archive.glob("*/*")
    assert kept.name == "0000000003_A.png"
    assert kept.read_bytes() == b"pixels"
    assert not (tmp_path / "camera/A.png").exists()


def test_what_came_too_late_is_archived_too(settings, tmp_path):
    image = tmp_path / "camera/A.png"
    image.write_bytes(b"")
    content = {"seq": 3, "part_id": "A", "result": {"ResultContent": [{"images": {"rgb": str(image)}}]}}
    assert len(list(tidied(settings, LATE_ANSWER, content).archive.glob("*/*"))) == 1


def test_an_image_that_came_when_its_part_was_answered_lies_beside_the_one_that_was_looked_at(settings, tmp_path):
    image = tmp_path / "camera/A.png"
    folder = tidied(settings, RESULT, answer_of(image))
    image.write_bytes(b"another")
    content = {"seq": 3, "part_id": "A", "images": {"rgb": str(image)}}
    tidied(settings, LEFT_OUT, content)
    assert {path.name: path.read_bytes() for path in folder.archive.glob("*/*")} == {
        "0000000003_A.png": b"pixels",
        "0000000003_2_A.png": b"another",
    }


def test_images_in_the_lines_own_folders_are_archived_even_where_others_are_kept(tmp_path):
    settings = settings_of(tmp_path, "keep")
    image = LineFolder(settings.folder).driven / "rgb/A_rgb.tiff"
    image.parent.mkdir(parents=True)
    folder = tidied(settings, RESULT, answer_of(image))
    assert [path.name for path in folder.archive.glob("*/*")] == ["0000000003_A_rgb.tiff"]


def test_files_are_deleted_or_kept_where_the_settings_say_so(tmp_path):
    (tmp_path / "camera").mkdir()
    image = tmp_path / "camera/A.png"
    tidied(settings_of(tmp_path, "keep"), RESULT, answer_of(image))
    assert image.exists()
    folder = tidied(settings_of(tmp_path, "delete"), RESULT, answer_of(image))
    assert not image.exists()
    assert not folder.archive.exists()


def test_old_days_go_and_the_rest_stays(tmp_path):
    settings = settings_of(tmp_path, "archive", days=10)
    archive = LineFolder(settings.folder).archive
    for day in ("2026-01-01", "2026-01-20", "2026-01-21"):
        (archive / day).mkdir(parents=True)
    prune(settings, date(2026, 1, 25))
    assert sorted(path.name for path in archive.iterdir()) == ["2026-01-20", "2026-01-21"]


def test_a_full_disk_costs_the_oldest_days_but_never_the_last(tmp_path, monkeypatch):
    settings = settings_of(tmp_path, "archive", free_gb=5.0)
    archive = LineFolder(settings.folder).archive
    for day in ("2026-01-20", "2026-01-21", "2026-01-22"):
        (archive / day).mkdir(parents=True)

    class Usage:
        @property
        def free(self) -> float:
            return 4e9 + 0.6e9 * (3 - len(list(archive.iterdir())))

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage())
    prune(settings, date(2026, 1, 25))
    assert [path.name for path in archive.iterdir()] == ["2026-01-22"]
