import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from radiograph_files import write_dicom
from rgbx.datasets.acquisition import Acquisition, acquisition_of
from rgbx.datasets.flat_field import FlatField, FlatFieldConfig, make_flat_field
from rgbx.datasets.images import read_radiograph
from rgbx.errors import InputError

SHAPE = (24, 30)
RNG = np.random.default_rng(0)
GAIN = RNG.uniform(0.5, 1.0, SHAPE)
OFFSET = RNG.uniform(1000, 3000, SHAPE)
SCENE = np.clip(RNG.uniform(-0.2, 1.2, SHAPE), 0.05, 1.0)
DEEP = Acquisition(bits=16)


def detected(transmission: np.ndarray | float) -> np.ndarray:
    return np.rint(OFFSET + 50_000 * GAIN * transmission).astype(np.uint16)


def png(path: Path, pixels: np.ndarray) -> Path:
    cv2.imwrite(str(path), pixels)
    return path


@pytest.fixture
def fields(tmp_path: Path) -> FlatField:
    flats = [png(tmp_path / f"flat-{number}.png", detected(1.0)) for number in range(3)]
    darks = [png(tmp_path / "dark.png", detected(0.0))]
    make_flat_field(flats, darks, tmp_path / "fields")
    return FlatField.read(tmp_path / "fields")


def now() -> datetime:
    return datetime.now(UTC)


def test_it_takes_the_detectors_pattern_out(fields: FlatField, tmp_path: Path) -> None:
    image = read_radiograph(png(tmp_path / "image.png", detected(SCENE)))
    np.testing.assert_allclose(fields.correct(image, DEEP, now()), SCENE, atol=1e-4)
    assert fields.record.flats.keys() == {str(tmp_path / f"flat-{number}.png") for number in range(3)}


@settings(max_examples=20, deadline=None)
@given(
    dead=st.sets(st.tuples(st.integers(0, SHAPE[0] - 1), st.integers(0, SHAPE[1] - 1)), max_size=30),
    level=st.floats(0.1, 1.0),
)
def test_dead_pixels_take_after_their_neighbours(dead, level, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fields")
    flat, dark = detected(1.0), detected(0.0)
    for place in dead:
        flat[place] = dark[place]
    fields = make_flat_field([png(folder / "f.png", flat)], [png(folder / "d.png", dark)], folder / "out")
    image = read_radiograph(png(folder / "image.png", detected(level)))
    np.testing.assert_allclose(fields.correct(image, DEEP, now()), level, atol=1e-4)


def test_frames_are_averaged(tmp_path: Path) -> None:
    flats = [
        png(tmp_path / f"{number}.png", np.full(SHAPE, value, np.uint16))
        for number, value in enumerate((30_000, 40_001))
    ]
    dark = png(tmp_path / "dark.png", np.zeros(SHAPE, np.uint16))
    made = make_flat_field(flats, [dark], tmp_path / "fields")
    np.testing.assert_allclose(made.flat, 35_000.5 / 65535, rtol=1e-6)
    assert tifffile.imread(tmp_path / "fields/flat.tiff").dtype == np.float32


def test_fields_that_do_not_fit_are_refused(fields: FlatField) -> None:
    image = np.full(SHAPE, 0.5, np.float32)
    with pytest.raises(InputError, match=r"phone\.png is 24 × 30 pixels, its flat field 30 × 24"):
        fields.correct(image.T, DEEP, now(), "phone.png")
    with pytest.raises(InputError, match=r"has 8 bits, its flat field 16"):
        fields.correct(image, Acquisition(bits=8), now())
    for away in (timedelta(hours=25), -timedelta(hours=25)):
        with pytest.raises(InputError, match=r"was taken 25\.0 h away from its flat field, 24 h are allowed"):
            fields.correct(image, DEEP, now() + away)
    fields.correct(image, DEEP, now() + timedelta(hours=23))


def test_the_tube_has_to_be_set_as_it_was_where_both_say_so(tmp_path: Path) -> None:
    dark = write_dicom(tmp_path / "dark.dcm", detected(0.0))
    flat = write_dicom(tmp_path / "flat.dcm", detected(1.0), KVP="80", XRayTubeCurrent="4")
    fields = make_flat_field([flat], [dark], tmp_path / "fields")
    image = read_radiograph(flat)
    fields.correct(image, acquisition_of(flat), now())
    fields.correct(image, DEEP.model_copy(update={"tube_voltage_kv": 80.3}), now())
    with pytest.raises(InputError, match="tube voltage of 90 kV, its flat field at 80 kV"):
        fields.correct(image, DEEP.model_copy(update={"tube_voltage_kv": 90.0}), now())
    with pytest.raises(InputError, match="tube current of 2 mA, its flat field at 4 mA"):
        fields.correct(image, DEEP.model_copy(update={"tube_current_ma": 2.0}), now())
    other = write_dicom(tmp_path / "other.dcm", detected(1.0), KVP="90", XRayTubeCurrent="4")
    with pytest.raises(InputError, match=r"other\.dcm was taken at another tube setting than flat\.dcm"):
        make_flat_field([flat, other], [dark], tmp_path / "more")


def test_the_oldest_frame_counts_by_its_own_time_or_its_files(tmp_path: Path) -> None:
    flat = write_dicom(
        tmp_path / "flat.dcm", detected(1.0), AcquisitionDateTime="20260301120000", TimezoneOffsetFromUTC="+0000"
    )
    dark = png(tmp_path / "dark.png", detected(0.0))
    made = make_flat_field([flat], [dark], tmp_path / "fields")
    assert made.record.time == datetime(2026, 3, 1, 12, tzinfo=UTC)
    os.utime(dark, (1_000_000_000, 1_000_000_000))
    assert make_flat_field([flat], [dark], tmp_path / "older").record.time.timestamp() == 1_000_000_000


def test_bad_frames_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    flat, dark = png(tmp_path / "flat.png", detected(1.0)), png(tmp_path / "dark.png", detected(0.0))
    shallow = png(tmp_path / "shallow.png", (detected(1.0) >> 8).astype(np.uint8))
    small = png(tmp_path / "small.png", detected(1.0)[:20])
    for flats, darks, problem in (
        ([dark], [flat], "is no brighter than the dark field in 100% of the pixels"),
        ([dark], [dark], "is no brighter"),
        ([flat, shallow], [dark], r"shallow\.png has 8 bits, flat\.png 16"),
        ([flat, small], [dark], r"small\.png is of another size than flat\.png"),
        ([small], [dark], r"dark\.png is of another size than small\.png"),
    ):
        with pytest.raises(InputError, match=problem):
            make_flat_field(flats, darks, tmp_path / "fields")
    assert not (tmp_path / "fields").exists()


def test_changed_fields_are_refused(fields: FlatField) -> None:
    tifffile.imwrite(fields.folder / "flat.tiff", fields.flat * 2)
    with pytest.raises(InputError, match=r"flat\.tiff is missing, damaged or was changed"):
        FlatField.read(fields.folder)
    (fields.folder / "flat-field.json").write_text("{}")
    with pytest.raises(InputError, match=r"flat-field\.json is damaged"):
        FlatField.read(fields.folder)
    with pytest.raises(InputError, match=r"holds no flat-field\.json"):
        FlatField.read(fields.folder / "nowhere")


def test_age_is_a_setting(tmp_path: Path) -> None:
    flat, dark = png(tmp_path / "flat.png", detected(1.0)), png(tmp_path / "dark.png", detected(0.0))
    made = make_flat_field([flat], [dark], tmp_path / "fields", FlatFieldConfig(max_age_hours=1))
    with pytest.raises(InputError, match="1 h are allowed"):
        made.correct(read_radiograph(flat), DEEP, now() + timedelta(hours=2))
