import os
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, TiffImagePlugin

from radiograph_files import write_dicom
from rgbx.datasets.acquisition import acquisition_of, time_taken
from rgbx.datasets.images import read_radiograph
from rgbx.errors import InputError

PIXELS = np.random.default_rng(0).integers(0, 4096, (24, 30)).astype(np.uint16)
NOON = datetime(2026, 3, 1, 12, 0, 30)


def test_diconde_without_a_patient_module_names_its_component(tmp_path: Path) -> None:
    path = write_dicom(
        tmp_path / "1.2.840.7",
        PIXELS,
        BitsStored=12,
        HighBit=11,
        PatientID="HOUSING-17 ",
        KVP="80",
        XRayTubeCurrent="4",
        AcquisitionDate="20260301",
        AcquisitionTime="120030.25",
        TimezoneOffsetFromUTC="+0100",
    )
    found = acquisition_of(path)
    assert (found.bits, found.component) == (12, "HOUSING-17")
    assert (found.tube_voltage_kv, found.tube_current_ma) == (80, 4)
    assert found.time == datetime(2026, 3, 1, 11, 0, 30, 250_000, UTC)
    np.testing.assert_allclose(read_radiograph(path), PIXELS / 4095, rtol=1e-6)
    named = acquisition_of(write_dicom(tmp_path / "named.dcm", PIXELS, PatientName="Housing^17"))
    assert (named.component, named.time, named.tube_voltage_kv) == ("Housing^17", None, None)
    assert acquisition_of(write_dicom(tmp_path / "nameless.dcm", PIXELS)).component is None


@pytest.mark.parametrize(
    "uid", ["1.2.840.10008.5.1.4.1.1.1.1.1", "1.2.840.10008.5.1.4.1.1.501.2.1", "1.2.840.10008.5.1.4.1.1.7"]
)
def test_any_storage_class_is_read(uid: str, tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "image.dcm", PIXELS, SOPClassUID=uid)
    np.testing.assert_allclose(read_radiograph(path), PIXELS / 65535, rtol=1e-6)


def test_several_frames_are_refused(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "frames.dcm", PIXELS, NumberOfFrames=2, PixelData=2 * PIXELS.tobytes())
    with pytest.raises(InputError, match=r"frames\.dcm holds several frames: export one of them"):
        read_radiograph(path)


def test_depth_and_time_of_other_formats(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "deep.tif", PIXELS, datetime=NOON)
    assert acquisition_of(tmp_path / "deep.tif").bits == 16
    assert acquisition_of(tmp_path / "deep.tif").time == NOON.astimezone()
    cv2.imwrite(str(tmp_path / "deep.png"), PIXELS)
    cv2.imwrite(str(tmp_path / "shallow.png"), (PIXELS >> 4).astype(np.uint8))
    assert acquisition_of(tmp_path / "deep.png").bits == 16
    assert acquisition_of(tmp_path / "shallow.png").bits == 8
    exif = Image.Exif()
    exif[0x0132] = "2026:03:01 12:00:30"
    for name in ("photo.jpg", "photo.png"):
        Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(tmp_path / name, exif=exif)
        assert acquisition_of(tmp_path / name).time == NOON.astimezone()
    assert acquisition_of(PIXELS).bits == 16


def test_a_file_without_a_time_has_that_of_its_file(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "image.png"), PIXELS)
    os.utime(tmp_path / "image.png", (1_000_000_000, 1_000_000_000))
    assert time_taken(tmp_path / "image.png").timestamp() == 1_000_000_000
    path = write_dicom(tmp_path / "image.dcm", PIXELS, ContentDate="20260301", ContentTime="1200")
    assert acquisition_of(path).time == NOON.replace(second=0).astimezone()
    assert acquisition_of(write_dicom(tmp_path / "odd.dcm", PIXELS, AcquisitionDateTime="2026-XX")).time is None


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (
            {0x9003: "2026:03:01 12:00:30", 0x9291: "250", 0x9011: "+02:00"},
            datetime(2026, 3, 1, 10, 0, 30, 250_000, UTC),
        ),
        ({0x9004: "2026:03:01 12:00:30", 0x9292: "5", 0x9012: "-05:00"}, datetime(2026, 3, 1, 17, 0, 30, 500_000, UTC)),
        ({0x0132: "2026:03:01 12:00:30", 0x9290: "07", 0x9010: "Z"}, datetime(2026, 3, 1, 12, 0, 30, 70_000, UTC)),
        ({0x9003: "0000:00:00 00:00:00", 0x0132: "2026:03:01 12:00:30"}, NOON.astimezone()),
        ({0x9003: "2026:03:01 12:00:30", 0x9291: "x", 0x9011: "   :  "}, NOON.astimezone()),
        ({0x9003: "2026-03-01T12:00:30"}, None),
    ],
)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_exif_time_with_its_fraction_and_zone(
    tags: dict, expected: datetime | None, suffix: str, tmp_path: Path
) -> None:
    within = {tag: value for tag, value in tags.items() if tag != 0x0132}
    image, path = Image.fromarray(np.zeros((20, 20, 3), np.uint8)), tmp_path / f"photo{suffix}"
    if suffix == ".tif":
        directory = TiffImagePlugin.ImageFileDirectory_v2()
        directory[0x8769] = within
        directory.update({tag: value for tag, value in tags.items() if tag == 0x0132})
        image.save(path, tiffinfo=directory)
    else:
        exif = Image.Exif()
        exif.update({0x010F: "a maker", **{tag: value for tag, value in tags.items() if tag == 0x0132}})
        exif.get_ifd(0x8769).update(within)
        image.save(path, exif=exif)
    assert acquisition_of(path).time == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"AcquisitionDateTime": "20260301120030.250000-0500"}, datetime(2026, 3, 1, 17, 0, 30, 250_000, UTC)),
        (
            {"AcquisitionDateTime": "20260301120030.25", "TimezoneOffsetFromUTC": "-0500"},
            datetime(2026, 3, 1, 17, 0, 30, 250_000, UTC),
        ),
        ({"AcquisitionDateTime": "20260301120030", "TimezoneOffsetFromUTC": "nowhere"}, NOON.astimezone()),
        ({"AcquisitionDateTime": "soon", "ContentDate": "20260301", "ContentTime": "120030"}, NOON.astimezone()),
        ({"AcquisitionDate": "202603", "AcquisitionTime": "120030"}, None),
        ({"AcquisitionDate": "20261301", "AcquisitionTime": "120030"}, None),
        ({"AcquisitionDate": "20260301", "AcquisitionTime": "126030"}, None),
        ({"AcquisitionDate": ["20260301", "20260302"], "AcquisitionTime": "120030"}, None),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_dicom_time(said: dict, expected: datetime | None, tmp_path: Path) -> None:
    assert acquisition_of(write_dicom(tmp_path / "image.dcm", PIXELS, **said)).time == expected


@pytest.mark.parametrize("value", [b"80,5", b"80\\9", b"abcd", b"nan ", b"    ", b"\xff\xfe\xfd\xfc"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_number_that_is_none_is_not_known(value: bytes, tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "image.dcm", PIXELS, KVP="80.5", XRayTubeCurrent="4")
    path.write_bytes(path.read_bytes().replace(b"80.5", value))
    found = acquisition_of(path)
    assert (found.tube_voltage_kv, found.tube_current_ma) == (None, 4)


def test_only_eight_bits_are_warned_of() -> None:
    assert acquisition_of(PIXELS).warnings() == ()
    (warning,) = acquisition_of(PIXELS.astype(np.uint8)).warnings("phone.png")
    assert warning.startswith("phone.png has 8 bits")
