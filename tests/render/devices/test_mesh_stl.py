import numpy as np
import pytest

from mesh_files import expect_phantom, stl_bytes, stl_text, write_in_mm
from rgbx.errors import InputError
from rgbx_render.devices.mesh_io import mesh_remarks, read_mesh


def read(folder, content: str | bytes):
    return read_mesh(write_in_mm(folder, "mesh.stl", content))


@pytest.mark.parametrize("header", [b"", b"solid phone", b"solid facet normal vertex"])
def test_binary_files_may_begin_as_text_does(header, tmp_path):
    scene = read(tmp_path, stl_bytes(header))
    expect_phantom(scene)
    assert mesh_remarks(scene) == ()


@pytest.mark.parametrize(
    "names", [("phone",), ("body", "knob"), ("", ""), ("solid", "endsolid", "vertex 1 2 3"), ("a b", "facet", "c")]
)
def test_text_of_several_solids(names, tmp_path):
    scene = read(tmp_path, stl_text(names))
    expect_phantom(scene)
    assert len(scene.geometry) == len(names)


def test_text_in_other_forms(tmp_path):
    for change in (str.upper, lambda text: text.replace("\n", "\r\n"), lambda text: text.replace("\n", "\n\n   ")):
        expect_phantom(read(tmp_path, change(stl_text(("body", "knob")))))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text[: text.rindex("endsolid")],
        lambda text: text.replace("vertex", "vortex", 1),
        lambda text: text.replace("vertex 0", "vertex zero", 1),
        lambda text: text.replace("vertex 0", "vertex", 1),
        lambda text: text.replace("endfacet\n", "", 1).replace("endloop\n", "", 1).replace("vertex", "", 1),
        lambda text: text + "solid rest\nfacet normal 0 0 1\n",
    ],
)
def test_text_that_is_cut_off_or_damaged_is_refused(change, tmp_path):
    with pytest.raises(InputError, match="is damaged or cut off"):
        read(tmp_path, change(stl_text(("body", "knob"))))


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"\0", lambda data: data[:50]])
def test_binary_of_another_length_than_it_says_is_refused(change, tmp_path):
    with pytest.raises(InputError, match="is damaged or cut off"):
        read(tmp_path, change(stl_bytes()))


@pytest.mark.parametrize("how", ["header", "bits"])
def test_colours_that_are_not_read_are_remarked_on(how, tmp_path):
    data = bytearray(stl_bytes(b"COLOR=\xff\0\0\xff" if how == "header" else b""))
    if how == "bits":
        data[84 + 48] = 7
    scene = read(tmp_path, bytes(data))
    expect_phantom(scene)
    assert "has colours that are no part of the format" in mesh_remarks(scene)[0]


def test_corners_in_one_place_are_one_vertex(tmp_path):
    (mesh,) = read(tmp_path, stl_bytes()).geometry.values()
    assert len(mesh.vertices) == len(np.unique(mesh.vertices, axis=0))
