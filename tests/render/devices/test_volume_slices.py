import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from rgbx.errors import InputError
from rgbx_render.devices.volume_io import read_volume
from rgbx_render.devices.volume_slices import in_slice_order
from scan_files import phantom, write_dicom, write_unit_file


@pytest.mark.parametrize(
    "names",
    [
        ["slice1", "slice2", "slice10", "slice11"][:2],
        [f"slice{number}" for number in range(8, 13)],
        [f"scan-{number:03}" for number in range(1, 6)],
        [f"slice_{position}mm" for position in (-1.5, -1.0, -0.5, 0.0, 0.5)],
        [f"z={position:.2f}" for position in (0.05, 0.1, 0.15, 0.2)],
        [f"z={position}" for position in (0.8, 0.9, 1.0, 1.1)],
        ["z 0,33", "z 0,67", "z 1,00", "z 1,33"],
        [f"1.{number}" for number in range(1, 12)],
        [f"pos{position}um" for position in (0, 33, 67, 100, 133)],
        [f"scan_20240131_{120000 + 7 * number}_{number:04}" for number in range(4)],
        [f"s{number:02}_z{number * 0.25:.2f}" for number in range(1, 5)],
        [f"a{index}_of_9" for index in range(1, 4)],
        ["SLICE1", "slice2", "Slice3"],
    ],
    ids=lambda names: names[0],
)
def test_order_of_slices(names, tmp_path):
    paths = [tmp_path / f"{name}.tif" for name in names]
    assert in_slice_order(tmp_path, sorted(paths, reverse=True)) == paths


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["a1", "a01", "a2"], "numbers a01.tif and a1.tif alike"),
        (["a_1", "a_2", "b3"], "mixes slices named in several ways"),
        (["slice1", "slice2", "slice2 (1)"], "mixes slices named in several ways"),
        (["one", "two"], "mixes slices named in several ways"),
        (["slice", "Slice"], "without a number"),
        (["s1", "s2", "s4"], "lacks the slices between 2 and 4"),
        (["z=0.10", "z=0.9"], "can be put in order in two ways"),
        (["z_-3", "z_-2", "z_-1"], "can be put in order in two ways"),
        (["z=0.1", "z=0.2", "z=0.4"], "lacks the slices between"),
        (["z-0.1", "z0.2", "z0.3"], "mixes slices named in several ways"),
        (["b1_s1", "b1_s2", "b2_s1", "b2_s2"], "numbers"),
        (["a1_left9", "a2_left8", "a3_left7"], "several orders"),
    ],
    ids=lambda case: case[0] if isinstance(case, list) else None,
)
def test_names_that_give_no_one_order_are_refused(names, problem, tmp_path):
    with pytest.raises(InputError) as caught:
        in_slice_order(tmp_path, sorted(tmp_path / f"{name}.tif" for name in names))
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def _write(folder, suffix, values):
    (folder / "scan").mkdir(parents=True)
    write_unit_file(folder, voxel_size_mm=1.5)
    for number, plane in enumerate(values, start=8):
        cv2.imwrite(str(folder / "scan" / f"slice{number}{suffix}"), plane)
    return folder / "scan"


@pytest.mark.parametrize(("suffix", "dtype"), [(".png", "uint8"), (".png", "uint16"), (".bmp", "uint8")])
def test_png_and_bmp_slices_are_read(suffix, dtype, tmp_path):
    volume = read_volume(_write(tmp_path, suffix, phantom(dtype)))
    assert volume.values.dtype == dtype
    np.testing.assert_array_equal(volume.values, phantom(dtype))


def test_grey_slices_saved_in_three_equal_channels_are_read(tmp_path):
    folder = _write(tmp_path, ".bmp", np.stack([phantom("uint8")] * 3, axis=-1))
    np.testing.assert_array_equal(read_volume(folder).values, phantom("uint8"))


def test_a_single_picture_beside_the_slices_does_no_harm(tmp_path):
    folder = _write(tmp_path, ".png", phantom("uint8"))
    tifffile.imwrite(folder / "preview.tif", np.zeros((5, 5), np.uint8))
    np.testing.assert_array_equal(read_volume(folder).values, phantom("uint8"))


def _jpeg(folder):
    return _write(folder, ".jpg", phantom("uint8"))


def _palette(folder):
    path = _write(folder, ".png", phantom("uint8"))
    for file in path.iterdir():
        Image.open(file).convert("RGB").quantize(4).save(file)
    return path


def _coloured(folder):
    return _write(folder, ".png", np.stack([phantom("uint8")] * 2 + [phantom("uint8") // 2], axis=-1))


def _cut(folder):
    path = _write(folder, ".png", np.random.default_rng(0).integers(0, 255, (6, 50, 50), np.uint8))
    (path / "slice9.png").write_bytes((path / "slice9.png").read_bytes()[:900])
    return path


def _two_kinds(folder):
    path = _write(folder, ".png", phantom("uint8"))
    for number in range(3):
        tifffile.imwrite(path / f"{number}.tif", phantom()[0])
    return path


def _tiff_and_dicom(folder):
    path = _write(folder, ".tif", phantom("uint8"))
    for file in write_dicom(folder / "dicom", phantom(), (1, 1, 1)):
        file.rename(path / file.name)
    return path


def _other_files(folder):
    (folder / "scan").mkdir()
    (folder / "scan" / "scan.rek").touch()
    return folder / "scan"


def _turned_slice(folder):
    path = _write(folder, ".tif", phantom("uint8"))
    tifffile.imwrite(path / "slice9.tif", phantom("uint8")[1], extratags=[(274, 3, 1, 3, False)])
    return path


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (_jpeg, "holds JPEG slices, which have lost grey values"),
        (_palette, "holds a slice of a colour palette"),
        (_coloured, "holds a coloured slice"),
        (_cut, "slice9.png is damaged or cut off"),
        (_two_kinds, "holds TIFF and PNG slices"),
        (_tiff_and_dicom, "holds DICOM and TIFF slices"),
        (_other_files, "holds no slices of a scan, but .rek"),
        (_turned_slice, "slice9.tif has another orientation than slice8.tif"),
    ],
)
def test_other_folders_are_refused_by_what_they_hold(make, problem, tmp_path):
    with pytest.raises(InputError) as caught:
        read_volume(make(tmp_path))
    assert problem in str(caught.value)
