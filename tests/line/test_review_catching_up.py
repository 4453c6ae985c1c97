"""A review whose index lacks much of a long log: nobody waits for it, and the page says how much is left."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from review_line import KNOWLEDGE, drawn_images, model_answer, result_content
from rgbx.errors import RgbxError
from rgbx_line.log import LineLog
from rgbx_line.review import desk as desk_module
from rgbx_line.review.desk import ReviewDesk
from rgbx_line.review_mix import ReviewMix
from rgbx_line.settings import LineFolder

RESULTS = 95


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReviewDesk:
    """Return the desk of a log that no index has read, of which a request takes in ten lines at most."""
    monkeypatch.setattr(desk_module, "CATCH_UP", 10)
    folder = LineFolder(tmp_path / "line")
    images = drawn_images(tmp_path / "camera", "D", 0)
    answer = model_answer({"SP1": 0.5, "SP2": 0.3, "SP10": 0.2}, images=images)
    with LineLog(folder.log) as log:
        log.append([("result", result_content(number, answer)) for number in range(1, RESULTS + 1)])

    async def keep(**_: Any) -> None:
        raise AssertionError("nothing is labelled here")

    return ReviewDesk(folder, ReviewMix(random_share=1.0), lambda: KNOWLEDGE, keep, lambda: RESULTS)


def test_a_request_takes_in_a_little_and_says_what_is_left(desk: ReviewDesk) -> None:
    assert desk.counts("olga").unread == RESULTS - 10
    assert desk.counts("olga").unread == RESULTS - 20
    assert desk.counts("olga").drawn == 30, "all is of what was read"


def test_requests_go_on_while_the_index_is_made(desk: ReviewDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []

    def ask_meanwhile(_: float) -> None:
        left.append(desk.counts("olga").unread)
        assert desk.next("olga", 1), "there is something to look at"

    monkeypatch.setattr(desk_module.time, "sleep", ask_meanwhile)
    desk.keep_up()
    assert left == [RESULTS - 10 * taken for taken in range(1, 10)], "who asks meanwhile takes in nothing"
    assert desk.counts("olga").unread == 0
    assert desk.counts("olga").drawn == RESULTS


def test_requests_take_in_what_is_new_again_when_keeping_up_has_failed(
    desk: ReviewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: float) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(desk_module.time, "sleep", fail)
    with pytest.raises(OSError, match="gone"):
        desk.keep_up()
    assert desk.counts("olga").unread == RESULTS - 20


def test_nothing_is_taken_back_while_the_last_word_may_be_unread(desk: ReviewDesk) -> None:
    with pytest.raises(RgbxError, match="still being read"):
        asyncio.run(desk.undo("olga"))
    desk.keep_up()
    assert asyncio.run(desk.undo("olga")) == []


def test_devices_come_in_the_order_that_was_asked_for(desk: ReviewDesk) -> None:
    desk.keep_up()
    assert [device.number for device in desk.devices([7, 3, 90])] == [7, 3, 90]
    assert desk.devices([RESULTS + 1]) == []
