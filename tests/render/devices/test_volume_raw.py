import pickle

import numpy as np
import pytest

from rgbx.errors import InputError
from rgbx_render.devices.volume_io import read_volume
from scan_files import phantom, write_unit_file

VGI = """{volume1}
[representation]
size = 9 14 6
mirror = 0 0 0
datatype = unsigned integer
datarange = 0 -1
bitsperelement = 16
[file1]
SkipHeader = 0
FileFormat = raw
Size = 9 14 6
Name = C:\\scans\\scan.vol
Datatype = unsigned integer
datarange = 0 -1
BitsPerElement = 16
{volumeprimitive12}
[geometry]
resolution = 1.5 1.25 2
unit = mm
[volume]
volume = volume1
"""


def _vgi(folder, header=VGI, voxels=None):
    (folder / "scan.vol").write_bytes(phantom().tobytes() if voxels is None else voxels)
    (folder / "scan.vgi").write_text(header)
    return folder / "scan.vgi"


def test_a_scan_of_volume_graphics_is_read(tmp_path):
    volume = read_volume(_vgi(tmp_path))
    assert volume.spacing == (1.5, 1.25, 2.0)
    np.testing.assert_array_equal(volume.values, phantom())


def test_what_programs_write_of_a_volume_that_is_not_turned_does_no_harm(tmp_path):
    """As VGStudio MAX does: four numbers of mirroring, and where the volume lies in its scene."""
    lies = "relativeposition = 0 0 0\nposition = 10.5 -38 0\ncenter = 4.5 7 3\nrotate = 1 0 0 0 1 0 0 0 1"
    header = VGI.replace("mirror = 0 0 0", "mirror = 0 0 0 0").replace("unit = mm", f"unit = mm\nscale = 1 1 1\n{lies}")
    np.testing.assert_array_equal(read_volume(_vgi(tmp_path, header)).values, phantom())


def test_its_number_type_unit_and_header_are_heeded(tmp_path):
    header = (
        VGI.replace("unsigned integer", "float").replace("= 16", "= 32").replace("SkipHeader = 0", "SkipHeader = 5")
    )
    header = header.replace("resolution = 1.5 1.25 2\nunit = mm", "resolution = 1500 1250 2000\nunit = µm")
    volume = read_volume(_vgi(tmp_path, header, bytes(5) + phantom("float32").tobytes()))
    assert volume.values.dtype == np.float32
    np.testing.assert_allclose(volume.spacing, (1.5, 1.25, 2.0))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("unit = mm", "unit = furlong", "scan.vgi gives its voxel size in 'furlong', which is no unit of length"),
        ("resolution = 1.5 1.25 2\n", "", "scan.vgi has no voxel size: add 'voxel_size_mm"),
        ("mirror = 0 0 0", "mirror = 1 0 0", "states 'mirror = 1 0 0'"),
        ("unit = mm", "unit = mm\nmirror = 0 1 0", "states 'mirror = 0 1 0'"),
        ("unit = mm", "unit = mm\nscale = 1 1 2", "states 'scale = 1 1 2'"),
        ("unit = mm", "unit = mm\nrotate = 0 -1 0 1 0 0 0 0 1", "states 'rotate = 0 -1 0 1 0 0 0 0 1'"),
        ("unit = mm", "unit = mm\nrotate = 1 0 0", "states 'rotate = 1 0 0'"),
        ("unit = mm", "unit = mm\nrotate = nan 0 0 0 1 0 0 0 1", "states 'rotate = nan"),
        ("unit = mm", "unit = mm\nrotation = 0 0 90", "states 'rotation = 0 0 90'"),
        ("Size = 9 14 6\nName", "Size = 9 14 7\nName", "scan.vol has 1,512 bytes, but 9 × 14 × 7 voxels of uint16"),
        ("scan.vol", "other.vol", "has its voxels in other.vol, which is not there"),
        ("BitsPerElement = 16", "BitsPerElement = 12", "voxels of 12-bit unsigned integer"),
        ("BitsPerElement = 16", "BitsPerElement = many", "which are no numbers"),
        ("Name = ", "Names = ", "does not say 'name'"),
        ("[file1]", "[file]", "is damaged or cut off or is no Volume Graphics header"),
        ("[volume]", "[geometry]\nresolution = 2 2 2\n[volume]", "says 'resolution' of [geometry] twice"),
        ("[volume]", "[file2]\nName = b.vol\n[volume]", "has its voxels in several files"),
    ],
)
def test_a_header_that_cannot_be_used_is_refused(old, new, problem, tmp_path):
    with pytest.raises(InputError) as caught:
        read_volume(_vgi(tmp_path, VGI.replace(old, new, 1)))
    assert problem in str(caught.value)


@pytest.mark.parametrize("make", [np.asarray, np.asfortranarray, lambda values: values.astype(">u2"), np.float16])
def test_an_array_of_numpy_is_read(make, tmp_path):
    write_unit_file(tmp_path, voxel_size_mm=[1.5, 1.25, 2])
    np.save(tmp_path / "scan.npy", make(phantom()))
    volume = read_volume(tmp_path / "scan.npy")
    assert volume.spacing == (1.5, 1.25, 2.0)
    assert volume.values.dtype.isnative
    np.testing.assert_array_equal(volume.values, phantom())


def _objects(path):
    np.save(path, np.array([[[{}]]], object), allow_pickle=True)


def _pickle(path):
    path.write_bytes(pickle.dumps(phantom()))


def _flat(path):
    np.save(path, phantom()[0])


def _cut(path):
    np.save(path, phantom())
    path.write_bytes(path.read_bytes()[:-9])


def _complex(path):
    np.save(path, phantom("complex64"))


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (_objects, "is damaged or cut off"),
        (_pickle, "is damaged or cut off"),
        (_cut, "is damaged or cut off"),
        (_flat, "has 2 axes"),
        (_complex, "holds complex64 voxels"),
    ],
)
def test_an_array_that_is_no_scan_is_refused(make, problem, tmp_path):
    make(tmp_path / "scan.npy")
    write_unit_file(tmp_path, voxel_size_mm=1.5)
    with pytest.raises(InputError) as caught:
        read_volume(tmp_path / "scan.npy")
    assert problem in str(caught.value)


@pytest.mark.parametrize("suffix", ["rek", "vol", "txm", "xrm", "vff", "pca", "hdr", "img", "TXRM"])
def test_other_formats_of_ct_are_named_with_the_way_out(suffix, tmp_path):
    (tmp_path / f"scan.{suffix}").write_bytes(bytes(9))
    with pytest.raises(InputError, match=r"which cannot be read: (add|copy|export|save)"):
        read_volume(tmp_path / f"scan.{suffix}")
