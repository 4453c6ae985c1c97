"""The review from end to end: a line's processes, a bundle that remembers, images, a browser's requests, the log."""

import asyncio
import re
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from review_line import drawn_images
from rgbx.inference import Predictor
from rgbx.modality import MODALITIES
from rgbx.models.memory import Memory, Remembered
from rgbx.training.remember import thumbnail
from rgbx_line.contract import REVIEW
from rgbx_line.log.segments import read_entries
from rgbx_line.log.verify import verify
from running_line import RunningLine
from tiny_bundle import CLASSES, write_exported_bundle
from web_line import OPERATOR, people, sign_in

pytestmark = pytest.mark.slow
JPEG = b"\xff\xd8\xff"
OTHER_QUEUES = ("margin", "unknown", "aside", "disagree", "late")
"""Which devices are in them is up to the bundle, whose weights are random."""


@pytest.fixture
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLine]:
    with tempfile.TemporaryDirectory() as name:  # a short path, which a socket needs
        folder = Path(name)
        write_exported_bundle(folder / "model", tmp_path_factory)
        remember_drawn_devices(folder)
        for place in ("camera", "detector"):
            (folder / place).mkdir()
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        running = RunningLine(
            folder,
            images={"rgb": "camera", "xray": "detector", "pairing": {"settle": 0.0}},
            web={"port": port},
            review={"random_share": 1.0, "second_opinion": 0.0, "weights": dict.fromkeys(OTHER_QUEUES, 0.0)},
            restart_within=30,
        )
        people().write(running.paths.users)
        yield running
        running.end()


def remember_drawn_devices(folder: Path) -> None:
    """Let the bundle remember a drawn device of each class, by the class's name."""
    predictor = Predictor.load(folder / "model")
    images = {}
    for modality in MODALITIES:
        paths = [drawn_images(folder / "known", name, label)[modality] for label, name in enumerate(CLASSES)]
        features = np.stack([each.fused_input for each in predictor.encode(modality, paths)])
        pictures = tuple(thumbnail(np.full((80, 40), 1 << 15, np.uint16)) for _ in CLASSES)
        labels = np.arange(len(CLASSES))
        images[modality] = Remembered(features, labels, CLASSES, ("00" * 32,) * len(CLASSES), pictures)
    sources = dict.fromkeys(MODALITIES, ())
    Memory(CLASSES, images, sources).write(folder / "model", predictor.weights_sha256)


def test_a_device_of_the_belt_is_looked_at_compared_and_labelled(line: RunningLine) -> None:
    line.start()
    url = f"http://127.0.0.1:{line_port(line)}"
    line.wait_for(lambda: is_ready(url), seconds=90)
    for label in range(3):
        for modality, path in drawn_images(line.folder / "drawn", f"D{label}", label).items():
            path.rename(line.folder / {"rgb": "camera", "xray": "detector"}[modality] / path.name)
    line.wait_for(lambda: len(line.results()) == 3, seconds=60)
    asyncio.run(review_all(url))
    assert line.stop() == 0
    opinions = [entry.content for entry, _ in read_entries(line.paths.log) if entry.kind == REVIEW]
    assert [(each["who"], each["why"], each["label"]) for each in opinions] == [
        (OPERATOR[0], "random", label) for label in ("B", "unknown", "A")
    ]
    assert {each["part_id"] for each in opinions} == {"D0", "D1", "D2"}
    assert verify(line.paths.log).faults == ()


async def review_all(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        csrf = await sign_in(client)
        page = (await client.get("/review")).text
        numbers = re.findall(r'data-number="(\d+)"', page)
        assert len(numbers) == 3
        for address in re.findall(r'src="(/entries/[^"]+)"', page):
            assert (await client.get(address.replace("&amp;", "&"))).content[:3] == JPEG
        known = re.findall(r'src="(/review/known/\d+/(\w+)/(\w)\.jpg[^"]*)"', page)
        assert len(known) == 3 * len(MODALITIES) * len(CLASSES)
        for address, _, label in known:
            reply = await client.get(address.replace("&amp;", "&"))
            assert reply.content[:3] == JPEG
            assert (reply.headers["x-nearest"], reply.headers["x-unit"]) == ("true", label)
        for number, label in zip(numbers, ("B", "unknown", "A"), strict=True):
            reply = await client.post("/review/label", data={"csrf": csrf, "number": number, "label": label})
            assert reply.status_code == 204, reply.text
        assert re.findall(r"data-number", (await client.get("/review/devices")).text) == []
        counts = (await client.get("/api/review/counts", auth=OPERATOR)).json()
        assert (counts["mine"], counts["settled"], counts["drawn_open"]) == (3, 3, 0)


def line_port(line: RunningLine) -> int:
    found = re.search(r"port: (\d+)", line.file.read_text())
    assert found is not None
    return int(found[1])


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.HTTPError:
        return False
