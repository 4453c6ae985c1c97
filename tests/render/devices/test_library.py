import pytest
import SimpleITK as sitk
import trimesh

from rgbx.errors import InputError
from rgbx_proving.units.part_mesh import write_mesh
from rgbx_proving.units.parts import PartList, write_parts
from rgbx_render.devices.library import Library, Unit, find_units
from scan_files import WRITERS, itk_image, phantom, write_unit_file

SPACING = (1.5, 1.25, 2.0)


def _scan(folder, kind="nrrd", values=None):
    folder.mkdir(parents=True, exist_ok=True)
    return WRITERS[kind](folder, phantom() if values is None else values, SPACING)


def _library(root, *units):
    for unit in units or ("SP1/a", "SP2/a", "SP10/a", "SP10/b"):
        _scan(root / unit)
    return root


def test_classes_and_units_are_in_natural_order(tmp_path):
    library = Library.open(_library(tmp_path, "SP10/unit-2", "SP10/unit-10", "SP2/x", "SP1/x"))
    assert library.classes == ("SP1", "SP2", "SP10")
    assert [unit.name for unit in library.units_of("SP10")] == ["unit-2", "unit-10"]


@pytest.mark.parametrize(
    ("one", "other"), [("SP1", "sp1"), ("A/one", "A/One"), ("\u00e4", "a\u0308"), ("A/\u00e4", "A/a\u0308")]
)
def test_names_that_are_one_on_some_systems_are_refused(one, other, tmp_path):
    for name in (one, other):
        _scan(tmp_path / (name if "/" in name else f"{name}/1"))
    with pytest.raises(InputError, match=r"would be named as .*: rename one of them, or join them") as caught:
        Library.open(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_unit_tells_what_it_has(tmp_path):
    folder = tmp_path / "SP1" / "SP1-001"
    _scan(folder, "dicom")
    write_mesh(folder / "mesh.glb", trimesh.Scene(trimesh.creation.box((70, 140, 8))))
    write_parts(folder / "parts.json", PartList(device_class="SP1", unit="SP1-001", parts=()))
    (folder / "photos").mkdir()
    (folder / "photos" / "front.jpg").touch()
    (folder / "photos" / "notes.txt").touch()
    (unit,) = Library.open(tmp_path).units
    assert (unit.device_class, unit.name, unit.folder) == ("SP1", "SP1-001", folder)
    assert unit.scan_path == folder / "dicom"
    assert unit.read_scan().values.shape == (6, 14, 9)
    assert unit.read_mesh().extents == pytest.approx((70, 140, 8))
    assert unit.photo_paths == (folder / "photos" / "front.jpg",)
    assert unit.radiograph_paths == ()


@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_is_found(kind, tmp_path):
    _scan(tmp_path / "A" / "1", kind)
    (unit,) = Library.open(tmp_path).units
    assert unit.read_scan().values.shape == (6, 14, 9)


def test_files_beside_classes_and_units_do_no_harm(tmp_path):
    _library(tmp_path, "A/1")
    (tmp_path / "README.txt").touch()
    (tmp_path / ".cache").mkdir()
    (tmp_path / "A" / "notes.txt").touch()
    assert len(Library.open(tmp_path).units) == 1


def test_what_a_unit_lacks_is_said_when_it_is_read(tmp_path):
    (unit,) = Library.open(_library(tmp_path, "A/1")).units
    with pytest.raises(InputError, match=r"1 has no mesh: add a mesh, e\.g\. mesh\.glb"):
        unit.read_mesh()


def test_digest_follows_content_sidecar_and_names(tmp_path):
    root = _library(tmp_path / "one", "A/1")
    digest = Library.open(root).digest(("scan",))
    assert Library.open(_library(tmp_path / "two", "A/1")).digest(("scan",)) == digest
    assert Library.open(_library(tmp_path / "three", "A/2")).digest(("scan",)) != digest

    (root / "A" / "1" / "photos").mkdir()
    assert Library.open(root).digest(("scan",)) == digest
    write_unit_file(root / "A" / "1", voxel_size_mm=2.0)
    after_sidecar = Library.open(root).digest(("scan",))
    assert after_sidecar != digest
    changed = phantom()
    changed[0, 0, 0] = 7
    _scan(root / "A" / "1", values=changed)
    assert Library.open(root).digest(("scan",)) not in (digest, after_sidecar)


def test_digest_covers_files_that_a_header_points_to(tmp_path):
    _scan(tmp_path / "A" / "1", "mhd")
    before = Library.open(tmp_path).digest(("scan",))
    (data,) = (path for path in (tmp_path / "A" / "1").iterdir() if path.suffix != ".mhd")
    data.write_bytes(data.read_bytes()[:-1] + b"\x01")
    assert Library.open(tmp_path).digest(("scan",)) != before


# --- bad libraries ---


def _missing(root):
    return root / "library"


def _a_file(root):
    (root / "library").touch()
    return root / "library"


def _empty(root):
    return root


def _class_without_units(root):
    _library(root, "A/1")
    (root / "B").mkdir()
    return root


def _unit_without_anything(root):
    _library(root, "A/1")
    (root / "A" / "2").mkdir()
    return root


def _scan_by_another_name(root):
    _scan(root / "A" / "1").rename(root / "A" / "1" / "phone.nrrd")
    return root


def _two_scans(root):
    _scan(root / "A" / "1")
    _scan(root / "A" / "1", "nifti-gz")
    return root


def _two_meshes(root):
    folder = root / "A" / "1"
    folder.mkdir(parents=True)
    for suffix in ("stl", "ply"):
        trimesh.creation.box((70, 140, 8)).export(folder / f"mesh.{suffix}")
    return root


def _other_format(root):
    (root / "A" / "1").mkdir(parents=True)
    (root / "A" / "1" / "scan.rek").touch()
    return root


def _array_by_another_name(root):
    (root / "A" / "1").mkdir(parents=True)
    (root / "A" / "1" / "phone.npy").touch()
    return root


def _two_folders_of_one_name(root):
    _scan(root / "A" / "1")
    for name in ("photos", "Photos"):
        (root / "A" / "1" / name).mkdir()
    return root


def _other_format_beside_a_mesh(root):
    trimesh.creation.box((70, 140, 8)).export(_other_format(root) / "A" / "1" / "mesh.ply")
    return root


def _class_level_left_out(root):
    _scan(root / "unit-1")
    return root


BAD = [
    (_missing, "library does not exist", "check the path"),
    (_a_file, "library is a file", "give the folder"),
    (_empty, "is not a library", "LIBRARY/CLASS/UNIT/scan.nrrd"),
    (_class_without_units, "B is a class without units", "add a unit"),
    (_unit_without_anything, "2 holds nothing of a unit", "add scan.*"),
    (_scan_by_another_name, "is phone.nrrd its scan? Then rename it to scan.nrrd", "add scan.*"),
    (_two_scans, "has more than one scan (scan.nii.gz and scan.nrrd)", "keep one"),
    (_two_meshes, "has more than one mesh (mesh.ply and mesh.stl)", "keep one"),
    (_other_format, "scan.rek is a scan of Fraunhofer's software, which cannot be read", "export it there"),
    (_other_format_beside_a_mesh, "scan.rek is a scan of Fraunhofer's software", "export it there"),
    (_array_by_another_name, "is phone.npy its scan? Then rename it to scan.npy", "add scan.*"),
    (_two_folders_of_one_name, "has more than one folder of photographs (Photos and photos)", "keep one"),
    (_class_level_left_out, "unit-1 holds a scan or mesh directly", "move it one down"),
]


@pytest.mark.parametrize(("make", "problem", "remedy"), BAD, ids=[case[0].__name__.strip("_") for case in BAD])
def test_bad_library_is_one_sentence_with_a_remedy(make, problem, remedy, tmp_path):
    root = make(tmp_path)
    with pytest.raises(InputError) as caught:
        Library.open(root)
    message = str(caught.value)
    assert str(tmp_path) in message
    assert problem in message
    assert remedy in message
    assert "\n" not in message


def test_several_problems_are_counted_and_all_found(tmp_path):
    _unit_without_anything(tmp_path)
    (tmp_path / "B").mkdir()
    (tmp_path / "C").mkdir()
    with pytest.raises(InputError, match="2 more problems are listed by 'rgbx devices check"):
        Library.open(tmp_path)
    units, faults = find_units(tmp_path)
    assert [unit.name for unit in units] == ["1"]
    assert [fault.path.name for fault in faults] == ["2", "B", "C"]


@pytest.mark.parametrize("name", ["mesh.obj", "mesh.OBJ", "mesh.ply"])
def test_a_mesh_depends_on_the_textures_that_it_may_name(name, tmp_path):
    folder = tmp_path / "A" / "1"
    for path in (name, "mesh.mtl", "textures/skin.png", "photos/1.png", "dicom/1.dcm"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)
    files = Unit.open(folder).files("mesh")
    assert {str(path.relative_to(folder)) for path in files} == {name, "mesh.mtl", "textures/skin.png"}


def test_equal_problems_of_many_units_are_one(tmp_path):
    for name in ("A/1", "A/2", "B/1"):
        (tmp_path / name).mkdir(parents=True)
    with pytest.raises(InputError) as caught:
        Library.open(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/A/1 holds nothing of a unit")
    assert "so it is with 3 units" in str(caught.value)
    assert "more problems" not in str(caught.value)


@pytest.mark.parametrize("name", ["DICOM", "Scan", "Dicom"])
def test_the_case_of_names_does_not_matter(name, tmp_path):
    folder = tmp_path / "A" / "1"
    _scan(folder, "dicom").rename(folder / "other")
    (folder / "other").rename(folder / name)
    (folder / "Photos").mkdir()
    (folder / "Photos" / "front.jpg").touch()
    (unit,) = Library.open(tmp_path).units
    assert unit.scan_path == folder / name
    assert len(unit.photo_paths) == 1
    assert unit.read_scan().values.shape == (6, 14, 9)


def test_a_scan_with_a_header_in_capitals_is_read(tmp_path):
    folder = tmp_path / "A" / "1"
    path = _scan(folder)
    path.rename(folder / "Scan.NRRD")
    (unit,) = Library.open(tmp_path).units
    assert unit.read_scan().values.shape == (6, 14, 9)


def test_labels_of_a_sheared_grid_are_not_mixed(tmp_path):
    image = itk_image(phantom(), SPACING)
    image.SetDirection([1, 0, 0.2, 0, 1, 0, 0, 0, 0.98])
    labels = itk_image((phantom() > 0).astype("uint8") * 7, SPACING)
    labels.SetDirection([1, 0, 0.2, 0, 1, 0, 0, 0, 0.98])
    folder = tmp_path / "A" / "1"
    folder.mkdir(parents=True)
    sitk.WriteImage(image, str(folder / "scan.nrrd"))
    sitk.WriteImage(labels, str(folder / "labels.nrrd"))
    (unit,) = Library.open(tmp_path).units
    scan = unit.read_scan()
    assert scan.values.shape == (6, 14, 11)
    assert set(unit.read_labels(scan).values.ravel().tolist()) == {0, 7}
