"""What the headers of single files say of geometry, units and polarity, one fault a test."""

import numpy as np
import pytest
import tifffile

from rgbx.errors import InputError
from rgbx_render.devices.volume_io import read_volume
from scan_files import phantom, write_itk, write_unit_file
from scan_headers import ORIENTED, Case, check, write_meta, write_nifti, write_nrrd, write_tiff

WRITE = {"nrrd": write_nrrd, "metaimage": write_meta, "nifti": write_nifti}


@pytest.mark.parametrize("kind", WRITE)
@pytest.mark.parametrize(
    "change",
    [
        np.array([[1, 0, 0.3], [0, 1, 0], [0, 0, 1]]),
        np.array([[1, 0.2, 0], [0, 1, -0.4], [0, 0, 1]]),
        np.diag((-1, 1, 1)),
        np.array([[0, 0, 1], [0, -1, 0], [1, 0, 0]]),
        np.eye(3) + 1e-4 * np.array([[0, 1, -1], [1, 0, 1], [0, -1, 0]]),
        np.array([[-0.96, 0.28, 0], [0.28, 0.96, 0], [0, 0, 1]]),
    ],
    ids=["drift", "sheared", "left-handed", "permuted", "noise", "left-handed and oblique"],
)
def test_axes_lie_where_the_header_says(kind, change, tmp_path):
    case = Case()
    case.axes = change @ case.axes
    path = WRITE[kind](tmp_path, case)
    check(read_volume(path), case)


@pytest.mark.parametrize(
    ("kind", "header", "problem"),
    [
        ("nrrd", {"space": "3D-left-handed"}, "lies in the space '3D-left-handed', which does not say"),
        ("nrrd", {"space directions": "(1,0,0) (1,0,0) (0,0,1)"}, "has axes that do not span a space"),
        ("nrrd", {"by spacings": True, "space": "LPS"}, "states a space, but not the directions of its axes in it"),
        ("nrrd", {"spacings": "1 1 1"}, "states both 'spacings' and 'space directions'"),
        ("nrrd", {"units": '"rod" "rod" "rod"'}, "gives its voxel size in 'rod', which is no unit of length"),
        ("nrrd", {"units": "cm cm cm"}, "has the units cm cm cm without quotes"),
        ("nrrd", {"units": '"mm" "mm"'}, "has 2 units of length for three axes"),
        ("metaimage", {"TransformMatrix": "2 0 0 0 1 0 0 0 1"}, "has a TransformMatrix whose vectors are 2, 1, 1 long"),
        ("metaimage", {"TransformMatrix": "1 0 0 1 0 0 0 0 1"}, "has axes that do not span a space"),
        ("metaimage", {"NDims": "-1"}, "has 'NDims = -1'"),
        ("metaimage", {"DistanceUnits": "rod"}, "gives its voxel size in 'rod'"),
        ("metaimage", {"without": True, "AnatomicalOrientation": "LPI"}, "has the AnatomicalOrientation LPI, but no"),
        ("metaimage", {"elementspacing": "3 3 3"}, "says 'elementspacing' twice"),
        ("nifti", {"turn": np.diag((-1.0, -1.0, 1.0))}, "has an sform and a qform that disagree"),
        ("nifti", {"stretch": 1.1}, "has the voxel size 1.65 × 1.375 × 2.2 in its pixdim, but 1.5 × 1.25 × 2 in"),
        ("nifti", {"stretch": -1.0}, "has a spacing of -1.5 × -1.25 × -2"),
        ("nifti", {"sform": 0, "qform": 0}, "states no directions (its sform and qform codes are 0)"),
        ("nifti", {"units": 5}, "gives its voxel size in 'xyzt_units 5'"),
    ],
)
def test_headers_that_can_be_read_in_two_ways_are_refused(kind, header, problem, tmp_path):
    with pytest.raises(InputError) as caught:
        read_volume(WRITE[kind](tmp_path, Case(header)))
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "header"),
    [
        ("nrrd", {"units": '"microns" "microns" "microns"', "scale": 1e-3}),
        ("nrrd", {"units": '"µm" "μm" "um"', "scale": 1e-3}),
        ("metaimage", {"DistanceUnits": "um", "scale": 1e-3}),
        ("nifti", {"units": 3, "scale": 1e-3}),
        ("nifti", {"units": 1, "scale": 1e3}),
        ("nifti", {"units": 0}),
        ("nifti", {"sform": 0}),
        ("nifti", {"qform": 0}),
        ("nifti", {"slope": 0.0}),
    ],
)
def test_units_and_forms_are_heeded(kind, header, tmp_path):
    case = Case(header)
    check(read_volume(WRITE[kind](tmp_path, case)), case)


def test_an_unknown_unit_gives_way_to_unit_yaml(tmp_path):
    case = Case({"units": '"rod" "rod" "rod"'})
    write_unit_file(tmp_path, voxel_size_mm=[1.5, 1.25, 2.0])
    check(read_volume(write_nrrd(tmp_path, case)), case)


def test_a_nifti_file_without_directions_is_read_once_axes_are_stated(tmp_path):
    write_unit_file(tmp_path, scan_axes=["x", "y", "z"])
    case = Case({"sform": 0, "qform": 0})
    path = write_nifti(tmp_path, case)
    case.axes = np.diag((1.5, 1.25, 2.0))
    check(read_volume(path), case)


def test_the_voxel_size_of_unit_yaml_is_along_the_axes_of_the_file(tmp_path):
    """Whose x, the first number, runs along S here."""
    case = Case()
    case.axes = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]]) @ case.axes
    path = write_nrrd(tmp_path, case)
    write_unit_file(tmp_path, voxel_size_mm=[1, 2, 3])
    assert read_volume(path).spacing == (2, 3, 1)


def test_a_key_of_nrrd_is_no_field(tmp_path):
    path = write_nrrd(tmp_path, Case())
    path.write_bytes(path.read_bytes().replace(b"encoding: raw", b"spacings:=9 9 9\nencoding: raw"))
    check(read_volume(path), Case())


# --- TIFF ---


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["imagej", "plain"])
def test_a_tiff_is_turned_as_its_orientation_says(kind, orientation, tmp_path):
    case = Case({"kind": kind, "orientation": orientation})
    turn = np.eye(3)
    turn[:2, 0], turn[:2, 1] = ORIENTED[orientation]
    case.axes = turn @ case.axes
    check(read_volume(write_tiff(tmp_path, case)), case)


@pytest.mark.parametrize("kind", ["imagej", "ome", "plain"])
def test_a_tiff_whose_zero_is_white_is_inverted(kind, tmp_path):
    case = Case({"kind": kind, "photometric": "miniswhite"})
    check(read_volume(write_tiff(tmp_path, case)), case)


def test_a_thumbnail_that_is_marked_is_left_out(tmp_path):
    case = Case({"kind": "plain", "thumbnail": "marked"})
    check(read_volume(write_tiff(tmp_path, case)), case)


@pytest.mark.parametrize(
    ("header", "scale"),
    [
        ({"unit": "\\u00B5m"}, 1e-3),
        ({"unit": "microns"}, 1e-3),
        ({"unit": "millimeters"}, 1.0),
        ({"unit": "inches"}, 25.4),
        ({"unit": "mm", "units": {"yunit": "mm", "zunit": "\\u00B5m"}, "deep": 1e-3}, 1.0),
        ({"kind": "ome", "unit": "µm"}, 1e-3),
        ({"kind": "ome", "unit": "inch"}, 25.4),
    ],
)
def test_units_of_tiff_are_heeded(header, scale, tmp_path):
    case = Case({**header, "scale": scale})
    check(read_volume(write_tiff(tmp_path, case)), case)


def _palette(path):
    tifffile.imwrite(path, phantom("uint8"), photometric="palette", colormap=np.zeros((3, 256), np.uint16))


def _float_zero_white(path):
    tifffile.imwrite(path, phantom("float32"), photometric="miniswhite")


def _smaller_page_first(path):
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(phantom()[0, ::2, ::2])
        tiff.write(phantom(), photometric="minisblack")


def _pages_of_two_sizes_in_turn(path):
    with tifffile.TiffWriter(path) as tiff:
        for plane in phantom():
            tiff.write(plane)
            tiff.write(plane[1:])


def _pages_of_two_types(path):
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(phantom("uint8"), photometric="minisblack")
        tiff.write(phantom(), photometric="minisblack")


def _pages_of_two_polarities(path):
    with tifffile.TiffWriter(path) as tiff:
        for index, plane in enumerate(phantom()):
            tiff.write(plane, photometric="miniswhite" if index % 2 else "minisblack")


def _channels(path):
    tifffile.imwrite(path, phantom()[:3], imagej=True, metadata={"axes": "CYX"})


def _unknown_unit(path):
    tifffile.imwrite(
        path, phantom(), imagej=True, resolution=(1, 1), metadata={"axes": "ZYX", "spacing": 1.0, "unit": "rod"}
    )


def _negative_spacing(path):
    tifffile.imwrite(
        path, phantom(), imagej=True, resolution=(1, 1), metadata={"axes": "ZYX", "spacing": -1.0, "unit": "mm"}
    )


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (_palette, "holds slices of a colour palette"),
        (_float_zero_white, "says that the zero of its float32 values is white"),
        (_smaller_page_first, "holds pages of different sizes (5 × 7 and 9 × 14)"),
        (_pages_of_two_sizes_in_turn, "holds pages of different sizes (9 × 14 and 9 × 13)"),
        (_pages_of_two_types, "holds pages of different number types (uint8 and uint16)"),
        (_pages_of_two_polarities, "holds pages of different photometric interpretations"),
        (_channels, "holds 3 channels, not slices"),
        (_unknown_unit, "gives its voxel size in 'rod'"),
        (_negative_spacing, "has a spacing of 1 × 1 × -1"),
    ],
)
def test_tiffs_that_are_no_stack_of_alike_slices_are_refused(make, problem, tmp_path):
    make(tmp_path / "scan.tif")
    with pytest.raises(InputError) as caught:
        read_volume(tmp_path / "scan.tif")
    assert problem in str(caught.value)


def test_a_spacing_that_is_no_number_is_refused(tmp_path):
    path = write_itk(tmp_path / "scan.mha", phantom(), (1, 1, 1))
    path.write_bytes(path.read_bytes().replace(b"ElementSpacing = 1 1 1", b"ElementSpacing = 1 one 1"))
    with pytest.raises(InputError, match="which are no numbers"):
        read_volume(path)
