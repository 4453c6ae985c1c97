import json
import os
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
import trimesh
from PIL import Image
from trimesh.visual.material import PBRMaterial, SimpleMaterial
from typer.testing import CliRunner

from mesh_files import write_in_mm
from rgbx.cli import app
from rgbx_proving.units.part_mesh import write_mesh
from rgbx_render.devices.check import LibraryCheck, check_library, check_unit, class_remarks
from rgbx_render.devices.library import Library, Unit
from rgbx_render.devices.mesh_parts import coloured_mesh
from rgbx_render.devices.preview import BACK, FRONT, project_scan, shade_mesh
from rgbx_render.devices.volume import Volume
from scan_files import WRITERS, phantom, write_itk, write_unit_file

SPACING = (1.5, 2.0, 1.0)


def _unit(folder, mesh_extents=(13.0, 27.0, 5.0)) -> Unit:
    folder.mkdir(parents=True)
    write_itk(folder / "scan.nrrd", phantom(), SPACING)
    if mesh_extents is not None:
        box = trimesh.creation.box(mesh_extents)
        box.visual = trimesh.visual.TextureVisuals(material=PBRMaterial(baseColorFactor=[0.2, 0.3, 0.4, 1.0]))
        write_mesh(folder / "mesh.glb", trimesh.Scene(box))
    return Unit.open(folder)


def test_summary_of_a_sound_unit(tmp_path):
    checked = check_unit(_unit(tmp_path / "A" / "1"))
    scan, mesh = checked.summary.scan, checked.summary.mesh
    assert (scan.format, scan.shape, scan.dtype, scan.value_range) == ("NRRD", (9, 14, 6), "uint16", (0, 120))
    assert scan.voxel_size_mm == pytest.approx(SPACING)
    assert scan.size_mm == pytest.approx((13.5, 28, 6))
    assert mesh.size_mm == pytest.approx((13, 27, 5), rel=1e-5)
    assert (mesh.format, mesh.objects, mesh.faces) == ("GLB", 1, 12)
    assert checked.summary.problems == checked.summary.remarks == ()
    assert list(checked.pictures) == ["scan along z", "scan along x", "mesh, front", "mesh, back"]


@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_has_a_name(kind, tmp_path):
    folder = tmp_path / "A" / "1"
    WRITERS[kind](folder, phantom(), SPACING)
    expected = {"nrrd": "NRRD", "nhdr": "NRRD", "mha": "MetaImage", "mhd": "MetaImage", "raw": "raw", "dicom": "DICOM"}
    expected |= {"nifti": "NIfTI", "nifti-gz": "NIfTI", "tiff-folder": "TIFF folder"}
    summary = check_unit(Unit.open(folder), pictures=False).summary
    assert summary.scan.format == expected.get(kind, "TIFF")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_that_are_no_utf_8_stop_no_check(tmp_path):
    """ITK ends the whole process when it is given one."""
    name = os.fsdecode(b"caf\xe9")
    _unit(tmp_path / "A" / "1")
    shutil.copytree(tmp_path / "A" / "1", tmp_path / name / name)
    found = check_library(tmp_path, tmp_path / "out")
    assert found.usable == 1
    (problem,) = found.problems
    assert "scan.nrrd has a name that is no UTF-8: rename it" in problem
    assert {unit.unit for unit in found.units} == {"1", "caf\\udce9"}
    assert LibraryCheck.model_validate_json((tmp_path / "out/check.json").read_text()) == found


def test_all_problems_of_a_unit_are_listed(tmp_path):
    folder = tmp_path / "A" / "1"
    folder.mkdir(parents=True)
    (folder / "scan.nrrd").write_text("no scan")
    (folder / "mesh.stl").write_text("no mesh")
    problems = check_unit(Unit.open(folder)).summary.problems
    assert [problem.split()[0].rsplit("/")[-1] for problem in problems] == ["scan.nrrd", "mesh.stl"]


def test_a_wrong_unit_yaml_is_one_problem(tmp_path):
    unit = _unit(tmp_path / "A" / "1")
    write_unit_file(unit.folder, voxel_size="1")
    assert len(check_unit(unit).summary.problems) == 1


def test_a_device_that_lies_on_edge_is_remarked_with_axes_that_put_it_right(tmp_path):
    unit = _unit(tmp_path / "A" / "1", mesh_extents=(13.0, 5.0, 27.0))
    (remark,) = check_unit(unit).summary.remarks
    assert "the mesh is thinnest along y" in remark
    assert "'mesh_axes', e.g. [x, z, -y]" in remark
    write_unit_file(unit.folder, mesh_axes=["x", "z", "-y"])
    assert check_unit(unit).summary.remarks == ()


def test_a_mesh_that_is_not_as_large_as_its_scan_is_remarked(tmp_path):
    (remark,) = check_unit(_unit(tmp_path / "A" / "1", mesh_extents=(130.0, 270.0, 50.0))).summary.remarks
    assert "the mesh is 270 mm long and the scan 28 mm" in remark


def test_what_is_missing_of_a_mesh_is_remarked(tmp_path):
    unit = _unit(tmp_path / "A" / "1")
    (tmp_path / "A" / "1" / "mesh.glb").unlink()
    text = "mtllib mesh.mtl\nv 0 0 0\nv 13 0 0\nv 0 27 0\nv 0 0 5\nf 1 2 3\nf 1 2 4\nf 1 3 4\nf 2 3 4\n"
    path = write_in_mm(unit.folder, "mesh.obj", text)
    assert check_unit(Unit.open(unit.folder)).summary.remarks == (
        f"{path} names the materials mesh.mtl, which are not beside it.",
        f"{path} has no colours for these parts, which become grey: mesh.",
    )


def test_classes_without_scan_or_mesh_are_remarked(tmp_path):
    _unit(tmp_path / "A" / "1")
    _unit(tmp_path / "A" / "2")
    _unit(tmp_path / "B" / "1", mesh_extents=None)
    _unit(tmp_path / "B" / "2", mesh_extents=None)
    assert class_remarks(Library.open(tmp_path).units) == ["B has no mesh, so no photographs of it can be rendered."]


# --- pictures ---


def test_projection_has_true_proportions_and_y_up():
    values = np.zeros((4, 10, 20), np.uint16)
    values[:, 8:, :3] = 100  # large y, small x: the upper left corner
    volume = Volume(values, (1.0, 3.0, 2.0))
    along_z = project_scan(volume, 2, side=60)
    assert along_z.shape == (60, 40)
    assert along_z[:8, :5].min() == 255
    assert along_z[20:].max() == 0
    assert project_scan(volume, 0, side=60).shape == (60, 16)
    assert project_scan(volume, 1, side=60).shape == (24, 60)


def _coloured(extents, place, colour) -> trimesh.Trimesh:
    mesh = trimesh.creation.box(extents).apply_translation(place)
    mesh.visual.face_colors = [*colour, 255]
    return mesh


def test_front_and_back_of_a_mesh_are_told_apart():
    front, back = _coloured((70, 140, 2), (0, 0, 3), (220, 0, 0)), _coloured((70, 140, 2), (0, 0, -3), (0, 0, 220))
    scene = trimesh.Scene({"front": front, "back": back})
    for turn, channel in ((FRONT, 0), (BACK, 2)):
        picture = shade_mesh(scene, turn, side=64)
        middle = picture[32, 32].astype(int)
        assert middle[channel] > 60
        assert middle[2 - channel] == 0
        assert (picture[:2] == 255).all()


def test_textures_are_seen():
    corners = [[-35, -70, 0], [35, -70, 0], [35, 70, 0], [-35, 70, 0]]
    image = Image.fromarray(np.array([[[255, 0, 0]], [[0, 0, 255]]], np.uint8))
    uv = [[0, 0], [1, 0], [1, 1], [0, 1]]
    for material in (SimpleMaterial(image=image), PBRMaterial(baseColorTexture=image)):
        mesh = coloured_mesh(np.array(corners), np.array([[0, 1, 2], [0, 2, 3]]), material=material, uv=np.array(uv))
        picture = shade_mesh(trimesh.Scene(mesh), side=64).astype(int)
        assert picture[20, 32, 0] > 60 > picture[20, 32, 2], "the first row of an image is the upper one"
        assert picture[44, 32, 2] > 60 > picture[44, 32, 0]


def test_windings_do_not_matter():
    box = _coloured((70, 140, 8), (0, 0, 0), (200, 100, 50))
    inside_out = box.copy()
    inside_out.faces = box.faces[:, ::-1]
    np.testing.assert_array_equal(
        shade_mesh(trimesh.Scene({"box": box}), side=48), shade_mesh(trimesh.Scene({"box": inside_out}), side=48)
    )


def test_a_report_says_what_its_file_says(tmp_path):
    _unit(tmp_path / "library" / "A" / "1")
    _unit(tmp_path / "library" / "A" / "2", mesh_extents=None)
    (tmp_path / "library" / "A" / "2" / "scan.nrrd").write_text("damaged")
    found = check_library(tmp_path / "library")
    assert [unit.unit for unit in found.units] == ["1", "2"]
    assert found.usable == 1
    assert len(found.problems) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["library"], "nothing is written unless asked for"
    assert check_library(tmp_path / "library", tmp_path / "out") == found
    assert LibraryCheck.model_validate_json((tmp_path / "out" / "check.json").read_text()) == found
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.png")) == ["1.png", "contact-sheet.png"]


def _mesh_without_unit(folder):
    folder.mkdir(parents=True)
    trimesh.creation.box((70, 140, 8)).export(folder / "mesh.stl")


@pytest.mark.parametrize(("others", "place"), [(["A/2"], "A/class.yaml"), (["A/2", "B/1"], "library.yaml")])
def test_equal_problems_of_many_units_are_one_with_a_place_for_all(others, place, tmp_path):
    for name in ["A/1", *others]:
        _mesh_without_unit(tmp_path / name)
    (tmp_path / "C" / "1").mkdir(parents=True)
    (tmp_path / "C" / "1" / "scan.nrrd").write_text("damaged")
    found = check_library(tmp_path)
    (grouped,) = [problem for problem in found.problems if "mesh.stl" in problem]
    assert grouped.startswith(f"{tmp_path}/A/1/mesh.stl says no unit of length")
    assert f"so it is with {len(others) + 1} units; {tmp_path / place} says it for all of them at once" in grouped
    assert len(found.problems) == 2
    assert found.usable == 0


def test_a_class_file_that_cannot_be_used_is_one_problem(tmp_path):
    for name in ("A/1", "A/2"):
        _mesh_without_unit(tmp_path / name)
    (tmp_path / "A" / "class.yaml").write_text("mesh_unit: furlong")
    (problem,) = check_library(tmp_path).problems
    assert "class.yaml cannot be used" in problem


# --- command line ---


def test_check_writes_pictures_and_summary(tmp_path):
    _unit(tmp_path / "library" / "A" / "1")
    _unit(tmp_path / "library" / "A" / "2")
    out = tmp_path / "out"
    ran = CliRunner().invoke(app, ["devices", "check", str(tmp_path / "library"), "--out", str(out)])
    assert ran.exit_code == 0, ran.output
    assert "2 of 2 units can be used; 0 problems, 0 remarks." in ran.output
    summary = json.loads((out / "check.json").read_text())
    assert [unit["unit"] for unit in summary["units"]] == ["1", "2"]
    for name in ("A/1.png", "A/2.png", "contact-sheet.png"):
        assert cv2.imread(str(out / name)) is not None


def test_check_lists_everything_and_fails(tmp_path):
    _unit(tmp_path / "A" / "1")
    _unit(tmp_path / "A" / "2")
    (tmp_path / "A" / "2" / "scan.nrrd").write_text("damaged")
    (tmp_path / "A" / "3").mkdir()
    (tmp_path / "B").mkdir()
    ran = subprocess.run(
        [sys.executable, "-m", "rgbx", "devices", "check", str(tmp_path)], capture_output=True, text=True
    )
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    for text in ("2/scan.nrrd is not a NRRD file", "3 holds nothing of a unit", "B is a class without units"):
        assert text in ran.stdout
    assert "1 of 2 units can be used; 3 problems" in ran.stdout


def test_check_of_no_library_is_one_sentence(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-m", "rgbx", "devices", "check", str(tmp_path / "nowhere")], capture_output=True, text=True
    )
    assert ran.returncode == 2
    assert ran.stderr.strip() == f"error: {tmp_path}/nowhere does not exist: check the path of the library."
