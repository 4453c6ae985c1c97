"""Who belongs to whom, and when a file is taken."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiograph_files import write_dicom
from rgbx.errors import InputError
from rgbx.inference.arrivals import Arrival, HotFolders, Image, Pairing, PairQueue, arrivals_in

GREY = np.full((20, 20), 9000, np.uint16)
BOTH = ("rgb", "xray")


class Line:
    """Two hot folders, and what is said of trouble in them."""

    def __init__(self, folder: Path, done: dict | None = None, **pairing: object) -> None:
        self.folders = {"rgb": folder / "camera", "xray": folder / "detector"}
        for each in self.folders.values():
            each.mkdir(exist_ok=True)
        self.said: list[str] = []
        self.hot = HotFolders(self.folders, Pairing(**pairing), done or {}, self.said.append)

    def put(self, modality: str, name: str, content: bytes = b"image", time: float | None = None) -> Path:
        path = self.folders[modality] / name
        path.write_bytes(content)
        if time is not None:
            os.utime(path, (time, time))
        return path

    def look(self, now: float) -> list[tuple[str, set[str]]]:
        return [(device.name, set(device.images)) for device in self.hot.look(now)]


def test_a_device_is_complete_when_both_images_are_whole(tmp_path: Path) -> None:
    line = Line(tmp_path, settle=0.5)
    line.put("rgb", "A_rgb.png")
    assert line.look(10.0) == []
    line.put("xray", "A_xray.tiff")
    assert line.look(10.6) == []
    assert line.look(11.2) == [("A", {"rgb", "xray"})]
    assert line.look(100.0) == []


def test_a_file_that_grows_is_left_alone(tmp_path: Path) -> None:
    line = Line(tmp_path, settle=0.5, wait=0)
    for step in range(5):
        line.put("rgb", "A.png", bytes(step + 1))
        assert line.look(10 + step) == []
    assert line.look(14.4) == []
    (device,) = line.hot.look(14.6)
    assert device == Arrival("A", {"rgb": line.folders["rgb"] / "A.png"}, 14.0, 14.0)


def test_without_settling_a_renamed_file_is_taken_at_once(tmp_path: Path) -> None:
    line = Line(tmp_path, settle=0, wait=0)
    part = line.put("rgb", "A.png.part")
    assert line.look(10.0) == []
    part.rename(part.with_suffix(""))
    assert line.look(11.0) == [("A", {"rgb"})]


def test_a_partner_that_does_not_come_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    line = Line(tmp_path, settle=0, wait=5)
    line.put("xray", "A.tiff")
    assert line.look(10.0) == []
    assert line.look(14.9) == []
    assert line.look(15.0) == [("A", {"xray"})]
    late = line.put("rgb", "A.png")
    assert line.look(16.0) == line.look(17.0) == []
    assert line.said == [f"{late} came when its device had been answered: it is left out."]


def test_what_has_a_result_is_not_taken_again(tmp_path: Path) -> None:
    done = {"rgb": [tmp_path / "camera/A.png"], "xray": []}
    line = Line(tmp_path, done, settle=0, wait=0)
    line.put("rgb", "A.png")
    line.put("xray", "A.png")
    line.put("rgb", "B.png")
    assert line.look(10.0) == [("B", {"rgb"})]
    assert len(line.said) == 1


def test_what_was_there_before_has_waited_since_it_was_written(tmp_path: Path) -> None:
    line = Line(tmp_path, settle=0, wait=0)
    line.put("rgb", "old.png", time=1000.0)
    (old,) = line.hot.look(5000.0)
    line.put("rgb", "new.png", time=1000.0)
    (new,) = line.hot.look(5001.0)
    assert (old.arrived, new.arrived) == (1000.0, 5001.0)


def test_pairs_by_time_with_an_offset(tmp_path: Path) -> None:
    line = Line(tmp_path, by="time", window=1.0, offset=4.0, settle=0, wait=60)
    for number in range(3):
        line.put("rgb", f"camera-{number}.png", time=1000.0 + 3 * number)
        line.put("xray", f"{number}-detector.tiff", time=1004.4 + 3 * number)
    devices = line.hot.look(2000.0)
    names = [(each.images["rgb"].name, each.images["xray"].name) for each in devices]
    assert names == [(f"camera-{number}.png", f"{number}-detector.tiff") for number in range(3)]


def test_a_drive_that_is_away_for_a_while_stops_nothing(tmp_path: Path) -> None:
    line = Line(tmp_path, settle=0, wait=0)
    away = line.folders["xray"].rename(tmp_path / "away")
    line.put("rgb", "A.png")
    assert line.look(10.0) == [("A", {"rgb"})]
    assert line.look(11.0) == []
    assert len(line.said) == 1
    assert "cannot be reached" in line.said[0]
    away.rename(line.folders["xray"])
    line.put("xray", "B.tiff")
    assert line.look(12.0) == [("B", {"xray"})]


def test_only_images_are_taken(tmp_path: Path) -> None:
    line = Line(tmp_path, settle=0, wait=0)
    for name in ("notes.txt", ".hidden.png", "A.png.tmp", "README", "1.2.3"):
        line.put("xray", name)
    (line.folders["xray"] / "folder").mkdir()
    assert line.look(10.0) == []
    write_dicom(line.folders["xray"] / "1.2.840.1", GREY)
    write_dicom(line.folders["xray"] / "1.2.840.2", GREY)
    assert [name for name, _ in line.look(11.0)] == ["1.2.840.1", "1.2.840.2"]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere is no folder"):
        HotFolders({"rgb": tmp_path / "nowhere"}, Pairing(), {}, print)


@given(st.lists(st.tuples(st.sampled_from(BOTH), st.integers(0, 9)), unique=True))
def test_every_image_is_in_one_device(images: list[tuple[str, int]]) -> None:
    pairs = PairQueue(Pairing(wait=0), BOTH)
    added = [Image(Path(f"{modality}/{number}.png"), modality, str(number)) for modality, number in images]
    devices = [device for image in added if (device := pairs.add(image))] + pairs.overdue(0.0)
    found = sorted(path for device in devices for path in device.images.values())
    assert found == sorted(image.path for image in added)
    assert len(devices) == len({number for _, number in images})
    assert pairs.overdue(99.0) == []


def test_a_folder_as_it_is(tmp_path: Path) -> None:
    for name in ("A_rgb.png", "A_xray.png", "B_xray.png"):
        cv2.imwrite(str(tmp_path / name), GREY)
    devices = arrivals_in(tmp_path, BOTH, Pairing())
    assert [(device.name, sorted(device.images)) for device in devices] == [("A", ["rgb", "xray"]), ("B", ["xray"])]
    with pytest.raises(InputError, match=r"A_rgb\.png ends in neither of '_top' and '_xray'"):
        arrivals_in(tmp_path, BOTH, Pairing(rgb_suffix="_top"))
    assert [device.name for device in arrivals_in(tmp_path, ("xray",), Pairing())] == ["A", "B"]
    assert [device.name for device in arrivals_in(tmp_path, ("xray",), Pairing(rgb_suffix="_top"))] == [
        "A_rgb",
        "A",
        "B",
    ]


def test_subfolders_say_what_images_are(tmp_path: Path) -> None:
    for modality, name in (("rgb", "A.png"), ("xray", "A.png"), ("rgb", "B.png")):
        (tmp_path / modality).mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / modality / name), GREY)
    devices = arrivals_in(tmp_path, BOTH, Pairing())
    assert [(device.name, len(device.images)) for device in devices] == [("A", 2), ("B", 1)]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no images"):
        arrivals_in(tmp_path, BOTH, Pairing())
