"""The walk of docs/guides/newcomer.md from end to end: its commands on tiny images, then its pages in a browser."""

import asyncio
import importlib.util
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from docs_pages import DOCS, ROOT, blocks
from example_workshop import shared_workshop
from pages_browser import needs_browser
from rgbx_line.log.segments import read_entries
from rgbx_line.settings import LineFolder, read_settings

GUIDE = DOCS / "guides" / "newcomer.md"
PASSWORD = "a newcomer's secret"
SMALL_NETWORK = (
    "--epochs 8 --set stream.transform.view=none --set stream.transform.source_size=96"
    " --set stream.icam.input_size=96 --set batch_size=16 --set restarts=0"
)
OURS = ("make", "source")
"""Commands of the guide that make what the test has already."""
SMALLER = {
    "calibrate": "--set false_sorts=0.9",
    "devices family sp10": "--classes SP1,SP9 --workers 0",
    "devices family sp11": "--voxel-size 1.5 --workers 0",
    "render xray": "--set acceptance.keypoints=0 --workers 0",
    "render rgb": "--set samples=1 --workers 0",
    "scan": "--size 64 --workers 0",
    "train xray": SMALL_NETWORK,
    "train rgb": SMALL_NETWORK,
}
"""What is put behind a command's options, since it takes minutes as it stands."""


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with what the demo leaves, small; its path is short, which a line's socket needs.

    The network is trained on what its devices look like: one that has not learnt anything puts all of them aside, so
    nothing could ever be proven of it.
    """
    workshop = shared_workshop(tmp_path_factory)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        demo = Path("runs/demo")
        shutil.copytree(workshop / "library", folder / demo / "library")
        for modality in ("rgb", "xray"):
            data = f"--data {demo}/sets/{modality} --out {demo}/models/{modality}"
            made = f"render {modality} {demo}/library --out {demo}/sets/{modality} --per-class 60 --size 64"
            for command in (made, f"train {modality} {data}"):
                run_rgbx(folder, shlex.split(command))
        for command in (
            f"train fusion --rgb {demo}/models/rgb --xray {demo}/models/xray --rgb-data {demo}/sets/rgb"
            f" --xray-data {demo}/sets/xray --out {demo}/models/rgbx --epochs 1",
            f"devices family sp10 --out {demo}/phones --units 4 --first-unit 101 --no-scan --no-mesh",
            f"scan {demo}/phones --out {demo}/line --views 3",
        ):
            run_rgbx(folder, shlex.split(command))
        yield folder


def commands() -> list[list[str]]:
    """Return the words of the guide's commands, in order."""
    text = "".join(block.text for block in blocks(GUIDE) if block.language == "console")
    return [shlex.split(line, comments=True) for line in text.splitlines() if line.strip()]


def settings_of_the_guide() -> str:
    (text,) = (block.text for block in blocks(GUIDE) if block.language == "yaml")
    return text


def run_rgbx(folder: Path, words: list[str], entered: str = "") -> str:
    more = next((more for verb, more in SMALLER.items() if words[: len(verb.split())] == verb.split()), "")
    command = [sys.executable, "-m", "rgbx", *words, *shlex.split(more)]
    ran = subprocess.run(
        command,
        cwd=folder,
        input=entered,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        start_new_session=True,  # a password is read from the terminal where there is one
    )
    assert ran.returncode == 0, f"{shlex.join(words)}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


def the_walk() -> ModuleType:
    """Return scripts/newcomer_walk.py, which takes the guide's pictures."""
    spec = importlib.util.spec_from_file_location("newcomer_walk", ROOT / "scripts/newcomer_walk.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_guide_shows_the_pictures_that_the_walk_takes() -> None:
    taken = set(re.findall(r'picture(?:=|\()"([\w-]+)"', (ROOT / "scripts/newcomer_walk.py").read_text()))
    pages = "".join((DOCS / "guides" / name).read_text() for name in ("newcomer.md", "line-pages.md"))
    shown = set(re.findall(r"newcomer-([\w-]+)\.webp", pages))
    assert shown == taken
    for name in shown:
        picture = DOCS / "pictures" / f"newcomer-{name}.webp"
        assert picture.stat().st_size <= the_walk().LARGEST_PICTURE


def test_the_settings_of_the_guide_are_those_of_a_line(tmp_path: Path) -> None:
    (tmp_path / "line.yaml").write_text(settings_of_the_guide())
    settings = read_settings(tmp_path / "line.yaml")
    assert set(settings.review.classes) <= set(settings.bins), "the new class has a bin when it comes"


@pytest.mark.slow
@pytest.mark.blender
@needs_browser
def test_the_whole_walk(folder: Path) -> None:
    walk = the_walk()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    written = yaml.safe_load(settings_of_the_guide())
    written["web"]["port"] = port
    # A network that was trained for seconds is wrong more often than any rule allows.
    written["promotion"] = {"bound": 0.99, "margin": 0.99}
    written["keep"] = {"free_gb": 0.1}
    for driver in written["drivers"]:
        driver["settings"]["every"] = 1.0
    (folder / "line.yaml").write_text(yaml.safe_dump(written))

    line = None
    try:
        for words in commands():
            if words[0] in OURS:
                continue
            assert words[0] == "rgbx", words
            if words[1:3] == ["line", "run"]:
                with (folder / "run.log").open("wb") as output:
                    line = subprocess.Popen(
                        [sys.executable, "-m", *words], cwd=folder, stdout=output, stderr=subprocess.STDOUT
                    )
            else:
                run_rgbx(folder, words[1:], f"{PASSWORD}\n{PASSWORD}\n" if "user" in words else "")
        assert line is not None
        settings = read_settings(folder / "line.yaml")
        units = sorted((folder / "new/SP11").iterdir())
        assert len(units) == 2

        async def go(walker: object) -> None:
            await walk.walk(walker, ("ada", PASSWORD), "SP11", units)

        async def bounded() -> None:
            async with asyncio.timeout(900):
                await walk.open_browser(settings, folder / "belt", None, go)

        asyncio.run(bounded())
        line.send_signal(signal.SIGTERM)
        assert line.wait(20) == 0, (folder / "run.log").read_text()[-3000:]
    except BaseException:
        print((folder / "run.log").read_text()[-5000:] if line else "the line was not started")
        raise
    finally:
        if line is not None and line.poll() is None:
            line.kill()
            line.wait()
    entries = [entry for entry, _ in read_entries(LineFolder(settings.folder).log)]
    reviews = [entry for entry in entries if entry.kind == "review"]
    assert len(reviews) >= walk.FIRST_REVIEWS
    assert {entry.content["who"] for entry in reviews} == {"ada"}
    assert any(entry.kind == "shadow" for entry in entries)
    deeds = [entry.content["what"] for entry in entries if entry.kind == "audit"]
    assert "promotion allowed" in deeds
    assert [entry.content["model_number"] for entry in entries if entry.kind == "result"][-1] == 2
