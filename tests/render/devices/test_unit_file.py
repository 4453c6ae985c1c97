import pytest

from rgbx.errors import InputError
from rgbx_render.devices.library import Library
from rgbx_render.devices.unit_file import read_unit_file
from scan_files import WRITERS, phantom


def _unit(root, name="A/1"):
    folder = root / name
    folder.mkdir(parents=True)
    return folder


def test_a_unit_says_more_than_its_class_and_that_more_than_the_library(tmp_path):
    folder = _unit(tmp_path)
    (tmp_path / "library.yaml").write_text(
        "mesh_unit: mm\ndtype: uint8\nvoxel_size_mm: 3\nmaterials: {1: tin, 2: gold}\n"
    )
    (tmp_path / "A" / "class.yaml").write_text("mesh_unit: cm\ndtype: uint16\nmaterials: {2: lead, 3: air gap}\n")
    (folder / "unit.yaml").write_text("mesh_unit: inch\n")
    said = read_unit_file(folder)
    assert (said.mesh_unit, said.dtype, said.voxel_size_mm) == ("inch", "uint16", (3, 3, 3))
    assert said.materials == {1: "tin", 2: "lead", 3: "air gap"}
    assert "scan_axes" not in said.model_fields_set


def test_a_key_that_says_nothing_takes_back_what_the_class_says(tmp_path):
    folder = _unit(tmp_path)
    (tmp_path / "A" / "class.yaml").write_text("voxel_size_mm: 3\n")
    (folder / "unit.yaml").write_text("voxel_size_mm: null\n")
    assert read_unit_file(folder).voxel_size_mm is None


def test_the_library_may_be_where_the_shell_is(tmp_path, monkeypatch):
    _unit(tmp_path)
    (tmp_path / "library.yaml").write_text("mesh_unit: mm\n")
    monkeypatch.chdir(tmp_path)
    (unit_folder,) = (tmp_path / "A").iterdir()
    assert read_unit_file(unit_folder.relative_to(tmp_path)).mesh_unit == "mm"


@pytest.mark.parametrize("name", ["A/1/unit.yaml", "A/class.yaml", "library.yaml"])
def test_what_is_said_above_a_unit_is_in_its_digest(name, tmp_path):
    WRITERS["nrrd"](_unit(tmp_path), phantom(), (1.5, 1.25, 2.0))
    before = Library.open(tmp_path).digest(("scan",))
    (tmp_path / name).write_text("mesh_unit: mm\n")
    assert Library.open(tmp_path).digest(("scan",)) != before


@pytest.mark.parametrize("name", ["unit.yml", "Unit.YAML", "UNIT.yml"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_other_names_and_encodings_are_read(name, encoding, tmp_path):
    (tmp_path / name).write_bytes("mesh_unit: cm\nmaterials: {1: Weißblech}\n".encode(encoding))
    assert read_unit_file(tmp_path).materials == {1: "Weißblech"}


def _latin(folder):
    (folder / "unit.yaml").write_bytes("materials: {1: Weißblech}".encode("latin-1"))


def _utf16_without_mark(folder):
    (folder / "unit.yaml").write_bytes("mesh_unit: cm".encode("utf-16-le"))


def _both(folder):
    (folder / "unit.yaml").write_text("mesh_unit: mm")
    (folder / "unit.yml").write_text("mesh_unit: cm")


def _folder(folder):
    (folder / "unit.yaml").mkdir()


def _empty(folder):
    (folder / "unit.yaml").touch()


def _wrong_in_class(folder):
    (folder.parent / "class.yaml").write_text("mesh_units: mm")


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (_latin, "unit.yaml is not text in UTF-8: save it again with this encoding"),
        (_utf16_without_mark, "unit.yaml is not text in UTF-8"),
        (_both, "has both unit.yaml and unit.yml: keep one of them"),
        (_folder, "unit.yaml cannot be read"),
        (_empty, "unit.yaml is not a YAML mapping"),
        (_wrong_in_class, "class.yaml cannot be used"),
    ],
)
def test_what_cannot_be_read_is_never_left_out(make, problem, tmp_path):
    folder = _unit(tmp_path)
    make(folder)
    with pytest.raises(InputError) as caught:
        read_unit_file(folder)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("unit", ["um", "µm", "μm", "micrometres", "Millimeters", "in"])
def test_units_of_length_of_meshes_are_those_of_scans(unit, tmp_path):
    (tmp_path / "unit.yaml").write_text(f"mesh_unit: {unit}\n", encoding="utf-8")
    assert read_unit_file(tmp_path).mesh_unit == unit


@pytest.mark.parametrize("unit", ["furlong", "pixel"])
def test_what_is_no_unit_of_length_is_refused(unit, tmp_path):
    (tmp_path / "unit.yaml").write_text(f"mesh_unit: {unit}\n")
    with pytest.raises(InputError, match=f"'{unit}' is no unit of length that is known: write um, mm, cm, m or inch"):
        read_unit_file(tmp_path)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("unit.yaml", "unit.yaml is not read in this folder: rename it to library.yaml, or move it"),
        ("A/unit.yml", "unit.yml is not read in this folder: rename it to class.yaml, or move it"),
        ("A/1/class.yaml", "class.yaml is not read in this folder: rename it to unit.yaml, or move it"),
    ],
)
def test_a_file_in_another_folder_is_not_left_out(name, problem, tmp_path):
    WRITERS["nrrd"](_unit(tmp_path), phantom(), (1.5, 1.25, 2.0))
    (tmp_path / name).write_text("mesh_unit: mm\n")
    with pytest.raises(InputError) as caught:
        Library.open(tmp_path)
    assert problem in str(caught.value)
