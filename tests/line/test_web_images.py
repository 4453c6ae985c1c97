"""Images over HTTP: what a browser can show of a part, by the number of the log's entry and by no path."""

import base64
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_inference import run
from rgbx.modality import Modality
from rgbx_line.archive import archived
from rgbx_line.log import Entry
from rgbx_line.settings import LineFolder
from rgbx_line.web.pages.entries import image_file
from rgbx_line.web.pages.heat import ROUND_A_DEVICE, drawn, heat_picture, shown_upright, shown_whole
from rgbx_line.web.pages.pictures import Gallery, WebPicture, as_jpeg, heat_url, picture_url, raw_radiograph, raw_url
from shown_devices import shown_result
from web_line import WebLine, sign_in, web_line


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


async def answered(line: WebLine, **changes: Any) -> Entry:
    """Have a device answered; return its line of the log."""
    result = shown_result(line.folder.folder / "came", 1, **changes)
    (entry,) = line.log.append([("result", result.model_dump(mode="json"))])
    line.tell()
    await line.heard()
    return entry


def decoded(reply: httpx.Response) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(reply.content, np.uint8), cv2.IMREAD_UNCHANGED)


def test_images_are_shown_wherever_they_lie(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            await sign_in(client)
            entry = await answered(line)
            for modality in ("rgb", "xray"):
                reply = await client.get(picture_url(entry, modality, 320))
                assert reply.status_code == 200
                assert reply.headers["content-type"] == "image/jpeg"
                assert max(decoded(reply).shape[:2]) == 320
            for image in entry.content["images"].values():
                target = archived(line.folder, entry, Path(image))
                target.parent.mkdir(parents=True, exist_ok=True)
                Path(image).rename(target)
            assert (await client.get(picture_url(entry, "rgb", 160))).status_code == 200
            for path in line.folder.archive.rglob("*.*"):
                path.unlink()
            gone = await client.get(picture_url(entry, "rgb", 720))
            assert gone.status_code == 404
            assert "for a while only" in gone.text

    run(test())


def test_an_image_that_is_archived_while_it_is_read_is_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page shows a part as soon as it is answered, which is when its images are put away."""

    def found_before_it_is_moved(paths: LineFolder, entry: Entry, modality: Modality) -> Path | None:
        found = image_file(paths, entry, modality)
        if not paths.archive.exists():
            target = archived(paths, entry, found)
            target.parent.mkdir(parents=True)
            found.rename(target)
        return found

    monkeypatch.setattr("rgbx_line.web.pages.images.image_file", found_before_it_is_moved)

    async def test() -> None:
        async with web_line(folder) as (line, client):
            await sign_in(client)
            entry = await answered(line)
            assert (await client.get(picture_url(entry, "rgb", 320))).status_code == 200

    run(test())


def test_nobody_sees_images_without_signing_in(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            entry = await answered(line)
            for path in (picture_url(entry, "rgb", 320), heat_url(entry, "xray"), raw_url(entry)):
                assert (await client.get(path)).status_code == 401

    run(test())


@pytest.mark.parametrize(
    "path",
    [
        "/entries/0/rgb.jpg?v=x",
        "/entries/-1/rgb.jpg?v=x",
        "/entries/99/rgb.jpg?v=x",
        "/entries/1/rgb.jpg?v=000000000000",
        "/entries/1/rgb.jpg",
        "/entries/1/..%2f..%2fusers.json?v=x",
        "/entries/1/users.jpg?v=x",
        "/entries/..%2f1/rgb.jpg?v=x",
        "/entries/1/rgb.jpg?v=HASH&side=99999",
        "/entries/1/rgb-heat.png?v=HASH&iteration=7",
    ],
)
def test_what_is_no_image_of_an_entry_is_refused(folder: Path, path: str) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            await sign_in(client)
            entry = await answered(line)
            reply = await client.get(path.replace("HASH", entry.hash[:12]))
            assert reply.status_code in (404, 422)
            assert b"argon2" not in reply.content

    run(test())


def test_a_path_in_the_log_is_the_only_one(folder: Path) -> None:
    """An entry that is not on the disk yet, and one about no part, have no image."""

    async def test() -> None:
        async with web_line(folder) as (line, client):
            await sign_in(client)
            await answered(line)
            (audit,) = line.log.append([("audit", {"what": "halted", "who": "Ada"})])
            line.tell()
            result = shown_result(folder / "came", 2)
            (untold,) = line.log.append([("result", result.model_dump(mode="json"))])
            await line.heard()
            assert (await client.get(picture_url(audit, "rgb", 320))).status_code == 404
            assert (await client.get(picture_url(untold, "rgb", 320))).status_code == 404
            line.tell()
            await line.heard()
            assert (await client.get(picture_url(untold, "rgb", 320))).status_code == 200

    run(test())


def test_a_radiograph_comes_with_all_its_bits(folder: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (30, 40)).astype(np.uint16)

    async def test() -> None:
        async with web_line(folder) as (line, client):
            await sign_in(client)
            entry = await answered(line)
            tifffile.imwrite(entry.content["images"]["xray"], pixels)
            reply = await client.get(raw_url(entry))
            assert (reply.headers["x-width"], reply.headers["x-height"]) == ("40", "30")
            assert np.array_equal(np.frombuffer(reply.content, "<u2").reshape(30, 40), pixels)
            assert int(reply.headers["x-low"]) < int(reply.headers["x-high"])

    run(test())


def test_a_large_radiograph_is_reduced_and_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rgbx_line.web.pages.pictures.MOST_RAW_PIXELS", 300)
    path = folder / "x.tif"
    tifffile.imwrite(path, np.full((30, 40), 1000, np.uint16))
    picture = raw_radiograph(path)
    assert (picture.headers["X-Width"], picture.headers["X-Full-Width"]) == ("20", "40")
    assert set(np.frombuffer(picture.content, "<u2")) == {1000}


def test_a_radiograph_is_seen_from_black_to_white(folder: Path) -> None:
    path = folder / "x.tif"
    tifffile.imwrite(path, np.tile(np.linspace(30_000, 31_000, 200), (100, 1)).astype(np.uint16))
    shown = cv2.imdecode(np.frombuffer(as_jpeg(path, "xray", 160), np.uint8), cv2.IMREAD_UNCHANGED)
    assert shown.min() < 5
    assert shown.max() > 250
    tifffile.imwrite(path, np.full((20, 20), 7, np.uint16))
    assert as_jpeg(path, "xray", 160), "one that is all the same is shown, too"


def test_a_damaged_image_is_refused_with_a_sentence(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            await sign_in(client)
            entry = await answered(line)
            Path(entry.content["images"]["rgb"]).write_bytes(b"\x89PNG\r\n\x1a\nxx")
            reply = await client.get(picture_url(entry, "rgb", 320))
            assert reply.status_code == 422

    run(test())


def looked_at(
    grid: np.ndarray, place: list[float], shape: tuple[int, int], window: Any = (0, 0, 1, 1)
) -> dict[str, Any]:
    values = base64.b64encode(grid.astype(np.uint8).tobytes()).decode()
    return {"place": place, "shape": shape, "iterations": [{"window": window, "rows": len(grid), "values": values}]}


@settings(max_examples=30, deadline=None)
@given(
    turn=st.sampled_from([0, 90, 180, 270]),
    row=st.integers(0, 9),
    column=st.integers(0, 4),
    left=st.integers(0, 200),
    top=st.integers(0, 100),
)
def test_a_map_lies_where_its_view_does(turn: int, row: int, column: int, left: int, top: int) -> None:
    grid = np.zeros((10, 5))
    grid[row, column] = 255
    turned = np.deg2rad(turn)
    cosine, sine = np.cos(turned), np.sin(turned)
    middle = np.array([left + 100, top + 100])
    # The prepared image, 60 × 120, is turned about its middle and lies at ``middle`` of the image.
    matrix = np.array([[cosine, -sine], [sine, cosine]])
    shift = middle - matrix @ (29.5, 59.5)
    place = [*matrix[0], shift[0], *matrix[1], shift[1]]
    picture = heat_picture(looked_at(grid, place, (120, 60)), shown_whole((480, 360), 480), 0)
    shown = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_UNCHANGED)
    assert shown.shape == (360, 480, 4)
    alpha = shown[..., 3].astype(float)
    rows, columns = np.mgrid[:360, :480]
    peak = (columns * alpha).sum() / alpha.sum(), (rows * alpha).sum() / alpha.sum()
    expected = matrix @ (12 * column + 5.5, 12 * row + 5.5) + shift
    assert np.hypot(*(peak - expected)) < 4.5
    corners = np.abs(matrix @ (30, 60))
    outside = (np.abs(columns - middle[0]) > corners[0] + 2) | (np.abs(rows - middle[1]) > corners[1] + 2)
    assert alpha[outside].max() == 0


def test_a_closer_look_is_within_its_window() -> None:
    looked = looked_at(np.full((4, 4), 255), [1, 0, 0, 0, 1, 0], (480, 480), window=(0.25, 0.5, 0.5, 0.75))
    shown = cv2.imdecode(
        np.frombuffer(heat_picture(looked, shown_whole((480, 480), 480), 0), np.uint8), cv2.IMREAD_UNCHANGED
    )
    rows, columns = np.nonzero(shown[..., 3])
    assert (columns.min(), rows.min()) == (120, 240)
    assert (columns.max(), rows.max()) == (239, 359)


@settings(max_examples=20, deadline=None)
@given(turn=st.floats(0, 360), size=st.floats(0.4, 3.0), side=st.sampled_from([160, 320, 720]))
def test_a_device_is_shown_upright_with_a_little_round_it(turn: float, size: float, side: int) -> None:
    """A prepared image of 60 × 120 lies somewhere in an image; its left upper quarter is bright there."""
    cosine, sine = size * np.cos(np.deg2rad(turn)), size * np.sin(np.deg2rad(turn))
    matrix = np.array([[cosine, -sine], [sine, cosine]])
    shift = np.array([400, 400]) - matrix @ (29.5, 59.5)
    place = np.column_stack([matrix, shift])
    corners = np.array([[-0.5, -0.5], [29.5, -0.5], [29.5, 59.5], [-0.5, 59.5]]) @ matrix.T + shift
    image = np.zeros((800, 800), np.float32)
    cv2.fillConvexPoly(image, np.rint(corners).astype(np.int32), 1.0)
    showing = shown_upright(looked_at(np.ones((4, 4)), place.ravel().tolist(), (120, 60)), side)
    assert max(showing.width, showing.height) <= side + 1
    picture = drawn(image, showing)
    assert picture.shape == (showing.height, showing.width)
    margin = ROUND_A_DEVICE * 120
    down, across = np.mgrid[: showing.height, : showing.width]
    u = (across + 0.5) / showing.width * (60 + 2 * margin) - margin
    v = (down + 0.5) / showing.height * (120 + 2 * margin) - margin
    edge = 4 / min(size, 1.0)
    inside = (u > edge) & (u < 30 - edge) & (v > edge) & (v < 60 - edge)
    outside = (u < -edge) | (u > 30 + edge) | (v < -edge) | (v > 60 + edge)
    assert picture[inside].min() > 0.9
    assert picture[outside].max() < 0.1


def test_map_and_image_are_shown_alike(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            await sign_in(client)
            entry = await answered(line)
            for modality in ("rgb", "xray"):
                image = decoded(await client.get(picture_url(entry, modality, 1600, upright=True)))
                heat = decoded(await client.get(heat_url(entry, modality, upright=True)))
                assert image.shape[0] > 1.7 * image.shape[1], "it stands upright"
                assert abs(image.shape[1] / image.shape[0] - heat.shape[1] / heat.shape[0]) < 0.01
                assert heat[..., 3].max() > 100

    run(test())


def test_a_gallery_keeps_no_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rgbx_line.web.pages.pictures.KEPT_BYTES", 250)
    made: list[str] = []

    def make(name: str) -> WebPicture:
        made.append(name)
        return WebPicture(bytes(100), "image/png", {})

    async def test() -> None:
        gallery = Gallery()
        for name in "abab" + "cb" + "a":
            assert len((await gallery.get(name, lambda name=name: make(name))).content) == 100
        assert made == ["a", "b", "c", "a"], "the one that was not asked for the longest went"
        gallery.close()

    run(test())
