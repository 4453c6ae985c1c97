"""Who belongs to whom, and when a file is taken."""

import io
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from radiograph_files import write_dicom
from rgbx.errors import InputError
from rgbx.inference.arrivals import Arrival, HotFolders, Image, Pairing, PairQueue, arrivals_in

GREY = np.full((20, 20), 9000, np.uint16)
BOTH = ("rgb", "xray")


def tiff() -> bytes:
    """Return a TIFF that ends with its pixels."""
    content = io.BytesIO()
    tifffile.imwrite(content, GREY)
    return content.getvalue()


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


def test_an_empty_file_is_waited_for(tmp_path: Path) -> None:
    line = Line(tmp_path, settle=0, wait=0)
    line.put("rgb", "A.png", b"")
    assert line.look(10.0) == line.look(1000.0) == []
    line.put("rgb", "A.png")
    assert line.look(1001.0) == [("A", {"rgb"})]


def test_a_file_of_full_size_that_is_not_filled_yet_is_waited_for(tmp_path: Path) -> None:
    line = Line(tmp_path, settle=0.5, wait=20)
    whole = tiff()
    line.put("xray", "A.tif", whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2))
    line.put("rgb", "A.png")
    assert [line.look(10.0 + step) for step in range(5)] == [[]] * 5
    line.put("xray", "A.tif", whole)
    assert line.look(16.0) == []
    assert line.look(17.0) == [("A", {"rgb", "xray"})]


@pytest.mark.parametrize(("name", "refused"), [("A.tif", True), ("A.dcm", True), ("A.png", False), ("A.jpg", False)])
def test_a_file_that_stays_unfilled_is_refused_where_zeros_pass_for_pixels(
    name: str, refused: bool, tmp_path: Path
) -> None:
    line = Line(tmp_path, settle=0.5, wait=20)
    path = line.folders["xray"] / name
    if name == "A.dcm":
        write_dicom(path, GREY)
    else:
        path.write_bytes(tiff() if name == "A.tif" else cv2.imencode(path.suffix, GREY)[1].tobytes())
    path.write_bytes(path.read_bytes()[:-300] + bytes(300))
    assert line.look(10.0) == line.look(29.0) == []
    line.look(31.0)
    (device,) = line.hot.look(51.0)
    assert ("ends in zeros" in str(device.refused.get("xray"))) == refused
    taken_at_once = Line(tmp_path, settle=0, wait=0)
    (device,) = taken_at_once.hot.look(10.0)
    assert not device.refused


def test_what_changes_while_it_is_read_comes_again(tmp_path: Path) -> None:
    line = Line(tmp_path, settle=0, wait=0)
    path = line.put("rgb", "A.png", b"half", time=1000.0)
    (device,) = line.hot.look(10.0)
    assert not device.changed()
    line.put("rgb", "A.png", b"half and half", time=1000.0)
    assert device.changed()
    line.hot.put_back(device)
    (again,) = line.hot.look(11.0)
    assert (again.name, again.changed()) == ("A", False)
    path.unlink()
    assert not again.changed()


def test_a_bad_image_comes_again_when_it_changes(tmp_path: Path) -> None:
    line = Line(tmp_path, settle=0, wait=5)
    line.put("rgb", "A.png", time=1000.0)
    line.put("xray", "A.png", b"half", time=1000.0)
    (device,) = line.hot.look(10.0)
    line.hot.note_bad(device)
    assert line.look(11.0) == []
    line.put("xray", "A.png", b"half and half", time=1000.0)
    assert line.look(12.0) == [("A", {"rgb", "xray"})]
    assert line.look(13.0) == []
    assert line.said == []


@pytest.mark.parametrize("name", ["a.PNG", "A_RGB.jpg", "A_rgb"])
def test_a_second_image_of_one_device_is_said(name: str, tmp_path: Path) -> None:
    line = Line(tmp_path, settle=0, wait=5)
    line.put("rgb", "A.png")
    assert line.look(10.0) == []
    if name == "A_rgb":
        write_dicom(line.folders["rgb"] / name, GREY)
    else:
        line.put("rgb", name)
    assert line.look(11.0) == []
    assert line.said == [f"{line.folders['rgb'] / name} shows the same device as A.png by its name: it is left out."]
    line.put("xray", "a_XRAY.TIFF")
    assert line.look(12.0) == [("A", {"rgb", "xray"})]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_are_compared_whatever_bytes_they_are_of(tmp_path: Path) -> None:
    line = Line(tmp_path, settle=0, wait=0)
    name = os.fsdecode(b"caf\xe9")
    photo = line.put("rgb", f"{name}_rgb.png")
    line.put("xray", f"{name}_xray.png")
    line.put("rgb", "Geh\u00e4use_rgb.png")
    line.put("xray", "geha\u0308use_XRAY.png")
    (first, second) = sorted(line.hot.look(10.0), key=lambda device: device.name)
    assert (first.name, len(first.images), first.images["rgb"]) == (
        "Geh\u00e4use",
        2,
        line.folders["rgb"] / "Geh\u00e4use_rgb.png",
    )
    assert (second.name, len(second.images), second.images["rgb"]) == ("caf\\udce9", 2, photo)
    line.put("rgb", f"{name}.jpg")
    assert line.look(11.0) == []
    "".join(line.said).encode()


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


@given(st.lists(st.tuples(st.sampled_from(BOTH), st.floats(0, 9)), unique=True), st.floats(0.01, 3))
def test_by_time_the_nearest_in_the_window_is_taken(images: list[tuple[str, float]], window: float) -> None:
    pairs, waiting = PairQueue(Pairing(by="time", window=window), BOTH), []
    for place, (modality, taken) in enumerate(images):
        image = Image(Path(f"{modality}/{place}.png"), modality, "A", taken=taken)
        near = [other for other in waiting if other.modality != modality and abs(other.taken - taken) <= window]
        device = pairs.add(image)
        assert (device is not None) == bool(near)
        if device is None:
            waiting.append(image)
            continue
        (partner,) = (other for other in near if other.path in device.images.values())
        assert abs(partner.taken - taken) == min(abs(other.taken - taken) for other in near)
        waiting.remove(partner)
    assert len(pairs.overdue(1e9)) == len(waiting)


@pytest.mark.parametrize("by", ["name", "time"])
def test_many_that_wait_are_looked_for_at_once(by: str) -> None:
    """Each image looks at a few others, not at all that wait."""
    looked = 0

    class Counted(float):
        def __sub__(self, other: float) -> float:
            nonlocal looked
            looked += 1
            return float(self) - float(other)

    pairs = PairQueue(Pairing(by=by, window=0.1), BOTH)
    for number in range(3000):
        assert pairs.add(Image(Path(f"{number}.png"), "rgb", str(number), taken=Counted(2 * number))) is None
    for number in range(3000):
        image = Image(Path(f"x{number}.png"), "xray", f"x{number}", taken=Counted(2 * number + 1))
        assert pairs.add(image) is None
    assert looked < 10 * 6000
    assert len(pairs.overdue(1e9)) == 6000


def test_two_images_of_one_device_are_refused(tmp_path: Path) -> None:
    for name in ("A_rgb.png", "a_RGB.PNG", "A_xray.png"):
        cv2.imwrite(str(tmp_path / name), GREY)
    if len(list(tmp_path.iterdir())) == 3:  # else the system has put the one in place of the other
        with pytest.raises(InputError, match=r"a_RGB\.PNG and A_rgb\.png show one device by their names"):
            arrivals_in(tmp_path, BOTH, Pairing())
        assert len(arrivals_in(tmp_path, BOTH, Pairing(by="time", window=1000))) == 2


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
