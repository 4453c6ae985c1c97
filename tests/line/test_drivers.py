"""Cameras and detectors of the line's own: a trigger is one image of its part, or none; one that is away is known."""

import asyncio
import itertools
import os
import signal
import time
import zlib
from collections.abc import Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fake_inference import run, until
from rgbx.config import Config
from rgbx.datasets.acquisition import time_taken
from rgbx.datasets.images import read_photograph, read_radiograph
from rgbx.errors import ConfigError, MissingPluginError, RgbxError
from rgbx.samples import SampleKey, SampleRecord, SampleSet, SetHeader, write_image
from rgbx_line.channel import Hub, Link
from rgbx_line.check import line_problems
from rgbx_line.drivers.driver import DRIVERS, Driver, TakenImage, can_serve, made_driver
from rgbx_line.drivers.process import keep_image, run_driver
from rgbx_line.drivers.simulated import SimulatedDriver
from rgbx_line.inference.desk import DRIVER_SILENT_S, DriverDesk
from rgbx_line.inference.open_parts import OpenPart
from rgbx_line.settings import DriverSettings, LineSettings, read_settings
from running_line import RunningLine
from tiny_bundle import write_exported_bundle

NOW = datetime(2026, 3, 1, 12, 30, 15, 250_000, UTC)


class ToySettings(Config):
    table: Path = Path("none")
    broken: bool = False


class ToyDriver(Driver):
    """A camera whose pixels say how many images it has taken; what happens to it is noted for the test."""

    Settings = ToySettings
    happened: list[str] = []  # noqa: RUF012 (the driver is made in the code that is tested)
    fails: list[str] = []  # noqa: RUF012

    def connect(self) -> None:
        self._do("open")

    def take(self, part_id: str) -> TakenImage:
        self._do(f"take {part_id}")
        return TakenImage(np.full((20, 24, 3), len(self.happened), np.uint8), NOW)

    def wait(self, seconds: float) -> TakenImage | None:
        time.sleep(seconds / 50)
        return TakenImage(np.zeros((20, 24, 3), np.uint8), NOW, "W")

    def close(self) -> None:
        self._do("close")

    def _do(self, what: str) -> None:
        self.happened.append(what)
        if self.fails and self.fails[0] == what.partition(" ")[0]:
            self.fails.pop(0)
            raise OSError("the plug is out")


@pytest.fixture(autouse=True)
def toy() -> Iterator[type[ToyDriver]]:
    ToyDriver.happened, ToyDriver.fails = [], []
    DRIVERS.register("toy")(ToyDriver)
    yield ToyDriver
    DRIVERS.unregister("toy")


def settings_of(folder: Path, *drivers: dict[str, Any], **more: Any) -> LineSettings:
    return LineSettings.model_validate(
        {"folder": folder, "bundle": folder / "model", "bins": {}, "drivers": drivers, **more}
    )


def top(**changes: Any) -> dict[str, Any]:
    return {"name": "top", "modality": "rgb", "kind": "toy", **changes}


def part(name: str, seq: int = 1) -> OpenPart:
    return OpenPart(seq, name, 1e9)


# What a driver is set up with


@pytest.mark.parametrize(
    ("drivers", "images", "said"),
    [
        ([top(), top(modality="xray")], {}, "two drivers are called 'top'"),
        ([top(), top(name="side")], {}, "'side' is not the only source of rgb images"),
        ([top()], {"rgb": "camera"}, "'top' is not the only source of rgb images"),
        ([top(name="../top")], {}, "name"),
        ([top(), top(name="tube", modality="xray")], {"pairing": {"wait": 9.0}}, "late before it is answered"),
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path, drivers, images, said):
    with pytest.raises(ConfigError, match=said):
        settings_of(tmp_path, *drivers, images=images)


def test_the_folder_of_a_driver_is_watched_like_any_other(tmp_path):
    settings = settings_of(tmp_path / "line", top(), images={"xray": tmp_path / "detector"})
    assert settings.hot_folders == {"rgb": tmp_path / "line/driven/rgb", "xray": tmp_path / "detector"}
    assert settings.modalities == ("rgb", "xray")


def test_paths_among_a_drivers_own_settings_are_from_the_file_on(tmp_path):
    (tmp_path / "line.yaml").write_text(
        "{folder: line, bundle: model, bins: {}, drivers: [{name: top, modality: rgb, kind: toy, "
        "settings: {table: lut.txt}}]}"
    )
    (driver,) = read_settings(tmp_path / "line.yaml").drivers
    assert made_driver(driver).settings.table == tmp_path / "lut.txt"


def test_a_driver_that_is_not_there_or_has_no_such_setting_is_named():
    with pytest.raises(MissingPluginError, match="no driver 'genicam'"):
        made_driver(DriverSettings(name="top", modality="rgb", kind="genicam"))
    with pytest.raises(ConfigError, match="colour"):
        made_driver(DriverSettings(name="top", modality="rgb", kind="toy", settings={"colour": 1}))


def test_a_check_tries_each_driver_out(tmp_path, toy):
    toy.fails.append("open")
    said = [each for each in line_problems(settings_of(tmp_path, top())) if "the driver" in each]
    assert said == ["the driver 'top' cannot be opened (the plug is out): check its settings, and the camera."]
    assert toy.happened == ["open", "close"]
    assert not [each for each in line_problems(settings_of(tmp_path, top())) if "the driver" in each]

    class OnlyWaits(ToyDriver):
        take = Driver.take

    assert (can_serve(OnlyWaits(None, "rgb"), True), can_serve(OnlyWaits(None, "rgb"), False)) == (False, True)


# Files


def test_an_image_is_kept_whole_with_the_time_it_was_taken(tmp_path):
    photograph = np.random.default_rng(0).integers(0, 255, (20, 24, 3)).astype(np.uint8)
    radiograph = np.random.default_rng(0).integers(0, 65535, (20, 24)).astype(np.uint16)
    keep_image(TakenImage(photograph, NOW), tmp_path / "rgb/A_rgb.tiff", "rgb")
    keep_image(TakenImage(radiograph, NOW), tmp_path / "xray/A_xray.tiff", "xray")
    assert np.array_equal(read_photograph(tmp_path / "rgb/A_rgb.tiff"), photograph)
    assert np.array_equal(np.rint(read_radiograph(tmp_path / "xray/A_xray.tiff") * 65535), radiograph)
    assert time_taken(tmp_path / "rgb/A_rgb.tiff") == NOW
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["A_rgb.tiff", "A_xray.tiff"]


@pytest.mark.parametrize(
    ("modality", "shape", "dtype"),
    [("rgb", (4, 4), "uint8"), ("rgb", (4, 4, 4), "uint8"), ("xray", (4, 4, 3), "uint16"), ("xray", (4, 4), "float32")],
)
def test_what_is_no_image_of_its_kind_is_refused(tmp_path, modality, shape, dtype):
    with pytest.raises(RgbxError, match="it has to give uint8 or uint16"):
        keep_image(TakenImage(np.zeros(shape, dtype), NOW), tmp_path / "A.tiff", modality)
    assert not list(tmp_path.iterdir())


# Triggers on their way


@asynccontextmanager
async def desk_and_driver(settings: LineSettings, name: str = "top"):
    """Yield the desk that a driver's process asks; the process runs, in this event loop."""
    desk = DriverDesk(settings.drivers, time.monotonic)

    async def answer(do: str, content: dict[str, Any]) -> dict[str, Any]:
        if do == "next_trigger":
            return await desk.next_trigger(**content)
        return desk.hear(**content)

    settings.folder.mkdir(exist_ok=True)
    hub, stop = Hub(settings.folder / "line.sock", answer), asyncio.Event()
    await hub.start()
    working = asyncio.create_task(run_driver(name, settings, stop))
    try:
        yield desk
    finally:
        stop.set()
        await working
        await hub.close()


def test_each_trigger_is_one_image_of_its_part(tmp_path, toy):
    settings = settings_of(tmp_path, top(within=5.0))

    async def test() -> None:
        async with desk_and_driver(settings) as desk:
            assert "gives no sign of life" in desk.trouble()
            await until(lambda: not desk.trouble())
            desk.announce(part("A"))
            desk.announce(part("B"))
            await until(lambda: (tmp_path / "driven/rgb/B_rgb.tiff").exists())
            await until(lambda: not desk.trouble())
        assert toy.happened == ["open", "take A", "take B", "close"]
        assert read_photograph(tmp_path / "driven/rgb/A_rgb.tiff").max() == 2

    run(test())


def test_a_part_that_has_gone_past_is_not_taken_for_another(tmp_path):
    """What lies before the camera when a trigger is old is another part."""
    settings = settings_of(tmp_path, top(within=0.05))

    async def test() -> None:
        desk = DriverDesk(settings.drivers, time.monotonic)
        desk.announce(part("old"))
        await asyncio.sleep(0.1)
        answered = part("answered")
        desk.announce(answered)
        answered.answered = True
        assert await desk.next_trigger("top") == {}
        desk.announce(part("now"))
        assert await desk.next_trigger("top") == {"part_id": "now"}
        assert await desk.next_trigger("top") == {}  # each once

    run(test())


def test_a_trigger_never_goes_to_a_connection_that_was_lost(tmp_path):
    async def test() -> None:
        desk = DriverDesk(settings_of(tmp_path, top()).drivers, time.monotonic)
        lost = asyncio.create_task(desk.next_trigger("top"))
        await asyncio.sleep(0)
        again = asyncio.create_task(desk.next_trigger("top"))
        await asyncio.sleep(0)
        desk.announce(part("A"))
        assert (await lost, await again) == ({}, {"part_id": "A"})

    run(test())


def test_a_camera_that_fails_is_opened_again_and_is_a_fault_meanwhile(tmp_path, toy, monkeypatch):
    monkeypatch.setattr("rgbx_line.drivers.process.REOPEN_EVERY_S", 0.3)
    toy.fails += ["open"] * 3 + ["take"]

    async def test() -> None:
        async with desk_and_driver(settings_of(tmp_path, top(within=5.0))) as desk:
            await until(lambda: desk.trouble() == "the driver 'top' (RGB images) failed: the plug is out")
            await until(lambda: not desk.trouble())
            desk.announce(part("A"))
            await until(lambda: "the plug is out" in desk.trouble())
            await until(lambda: not desk.trouble())
            desk.announce(part("B"))
            await until(lambda: (tmp_path / "driven/rgb/B_rgb.tiff").exists())
        failed = ["open", "close"] * 3
        assert toy.happened == [*failed, "open", "take A", "close", "open", "take B", "close"]
        assert not (tmp_path / "driven/rgb/A_rgb.tiff").exists()

    run(test())


def test_a_driver_that_falls_silent_is_a_fault(tmp_path):
    now = [100.0]
    desk = DriverDesk(settings_of(tmp_path, top()).drivers, lambda: now[0])
    desk.hear("top")
    assert desk.trouble() == ""
    now[0] += DRIVER_SILENT_S + 0.1
    assert desk.trouble() == "the driver 'top' (RGB images) gives no sign of life: it is started again."
    with pytest.raises(RgbxError, match="no driver 'side'"):
        desk.hear("side")


def test_images_that_come_by_themselves_carry_their_parts_name(tmp_path):
    async def test() -> None:
        async with desk_and_driver(settings_of(tmp_path, top(on_trigger=False))) as desk:
            await until(lambda: (tmp_path / "driven/rgb/W_rgb.tiff").exists())
            desk.announce(part("A"))  # which does not concern it
            await asyncio.sleep(0.1)
            assert desk.trouble() == ""
        assert [path.name for path in (tmp_path / "driven/rgb").iterdir()] == ["W_rgb.tiff"]

    run(test())


@pytest.mark.parametrize(("by", "kept"), [("name", []), ("time", ["20260301T123015250000_rgb.tiff"])])
def test_an_image_without_a_name_is_paired_by_time_or_not_at_all(tmp_path, monkeypatch, by, kept):
    monkeypatch.setattr(ToyDriver, "wait", lambda *_: TakenImage(np.zeros((20, 24, 3), np.uint8), NOW))
    settings = settings_of(
        tmp_path, top(on_trigger=False), images={"xray": tmp_path, "pairing": {"by": by, "wait": 2.0}}
    )

    async def test() -> None:
        async with desk_and_driver(settings) as desk:
            if not kept:
                await until(lambda: "set images.pairing.by to time" in desk.trouble())
            else:
                await until(lambda: any((tmp_path / "driven").rglob("*.tiff")))

    run(test())
    assert [path.name for path in (tmp_path / "driven/rgb").iterdir()] == kept


# The simulated one


def simulated(folder: Path, modality: str, **settings: Any) -> SimulatedDriver:
    own = {"folder": str(folder), **settings}
    driver = made_driver(DriverSettings(name="s", modality=modality, kind="simulated", settings=own))
    assert isinstance(driver, SimulatedDriver)
    driver.connect()
    return driver


def write_stock(folder: Path, count: int = 5) -> None:
    for number in range(count):
        write_image(folder / f"rgb/{number}.png", np.full((20, 24, 3), [number, 1, 2], np.uint8))
        write_image(folder / f"xray/{number}.tiff", np.full((20, 24), 1000 * number, np.uint16))


def test_two_simulated_cameras_show_the_same_unit(tmp_path):
    write_stock(tmp_path)
    camera, detector = simulated(tmp_path / "rgb", "rgb"), simulated(tmp_path / "xray", "xray")
    shown = {name: (camera.take(name), detector.take(name)) for name in "ABCDEFGHIJ"}
    for photograph, radiograph in shown.values():
        assert radiograph.pixels.dtype == np.uint16
        assert radiograph.pixels[0, 0] == 1000 * int(photograph.pixels[0, 0, 0])
    assert len({int(photograph.pixels[0, 0, 0]) for photograph, _ in shown.values()}) > 1


def test_a_simulated_camera_at_a_rate_gives_each_image_once_and_on_time(tmp_path):
    write_stock(tmp_path)
    cameras = [simulated(tmp_path / modality, modality, every=0.05) for modality in ("rgb", "xray")]
    assert simulated(tmp_path / "rgb", "rgb", every=1000.0).wait(0.01) is None
    images = [[camera.wait(5.0) for _ in range(3)] for camera in cameras]
    for photographs in images:
        numbers = [int(image.part_id or "") for image in photographs if image]
        assert len(set(numbers)) == 3
        assert [round(image.taken.timestamp() / 0.05) for image in photographs if image] == numbers


def test_the_units_of_a_set_come_in_a_mixed_order_which_both_cameras_share(tmp_path):
    classes = ("A", "B", "C", "D")
    for modality in ("rgb", "xray"):
        header = SetHeader(modality=modality, origin="o", seed=0, classes=classes, config={}, source="0", version="0")
        samples = SampleSet.create(tmp_path / modality, header)
        for number, label in enumerate(np.repeat(classes, 5).tolist()):
            photograph, radiograph = np.full((16, 16, 3), 10 * number, np.uint8), np.full((16, 16), number, np.uint16)
            image = photograph if modality == "rgb" else radiograph
            name = f"{SampleKey(label, number).stem}.png"
            write_image(tmp_path / modality / name, image)
            samples.add(SampleRecord(file_name=name, label=label, unit=f"{label}-{number}", seed=0, draw={}))
        samples.finish()
    # Parts that are shown each unit in turn: it is the name's checksum that says which.
    names = [
        next(f"{number}" for number in itertools.count() if zlib.crc32(f"{number}".encode()) % 20 == place)
        for place in range(20)
    ]
    camera, detector = (simulated(tmp_path / modality, modality) for modality in ("rgb", "xray"))
    shown = [int(detector.take(name).pixels.flat[0]) for name in names]
    assert [int(camera.take(name).pixels.flat[0]) for name in names] == [10 * number for number in shown]
    assert sorted(shown) == list(range(20)), "each comes once a round"
    labels = [number // 5 for number in shown]
    assert max(len(list(same)) for _, same in itertools.groupby(labels)) < 5


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(RgbxError, match="holds no images"):
        simulated(tmp_path, "rgb")


# All of it


def test_a_line_takes_its_own_images_and_goes_on_when_a_camera_does_not(tmp_path, tmp_path_factory):
    write_exported_bundle(tmp_path / "model", tmp_path_factory)
    rng = np.random.default_rng(0)
    write_image(tmp_path / "stock/rgb/1.png", rng.integers(0, 255, (40, 50, 3)).astype(np.uint8))
    write_image(tmp_path / "stock/xray/1.png", rng.integers(2000, 40000, (40, 50)).astype(np.uint16))
    kinds = {"top": "rgb", "tube": "xray"}
    drivers = [
        {
            "name": name,
            "modality": modality,
            "kind": "simulated",
            "settings": {"folder": f"stock/{modality}"},
            "within": 3.0,
        }
        for name, modality in kinds.items()
    ]
    line = RunningLine(tmp_path, drivers=drivers, restart_within=20)

    async def states_and_triggers() -> None:
        states = []
        async with Link(line.paths.socket, states.append) as link:

            async def ready() -> None:
                await asyncio.to_thread(line.wait_for, lambda: link.state.ready, 90)

            await ready()
            await link.ask("trigger", part_id="P1")
            await asyncio.to_thread(line.wait_for, lambda: len(line.results()) == 1)

            os.kill(line.status()["driver:top"]["pid"], signal.SIGSTOP)  # it hangs
            await asyncio.to_thread(line.wait_for, lambda: line.status()["driver:top"]["restarts"] == 1, 90)
            said = [state.fault_text for state in states]
            assert "the driver 'top' (RGB images) gives no sign of life: it is started again." in said
            await ready()
            await link.ask("trigger", part_id="P2")
            await asyncio.to_thread(line.wait_for, lambda: len(line.results()) == 2)

    try:
        line.start()
        asyncio.run(states_and_triggers())
        assert line.stop() == 0
    finally:
        line.end()
    assert [(each.part_id, sorted(each.images)) for each in line.results()] == [
        ("P1", ["rgb", "xray"]),
        ("P2", ["rgb", "xray"]),
    ]
    assert {"driver:top", "driver:tube"} < set(line.status())
