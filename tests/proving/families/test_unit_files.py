import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

from rgbx.cli import app
from rgbx.errors import ConfigError, InputError
from rgbx_proving.families.unit_files import UnitKey, write_units
from rgbx_proving.sp10.family import SP10
from rgbx_proving.units.parts import read_parts
from rgbx_proving.units.simulated import parts_of
from rgbx_render.devices.check import check_unit
from rgbx_render.devices.library import Unit

KEYS = [UnitKey("SP1", 1), UnitKey("SP10", 12)]


def _write(out, **changes):
    return write_units(out, SP10, KEYS, **{"scan_spacing_mm": 1.5, "mesh": True, "workers": 0} | changes)


def _contents(out):
    return {path.relative_to(out): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def test_units_are_written_as_real_files(tmp_path):
    assert _write(tmp_path) == 2
    folder = tmp_path / "SP10" / "SP10-012"
    assert {path.name for path in folder.iterdir()} == {"scan.nrrd", "mesh.glb", "parts.json"}
    scan = sitk.ReadImage(str(folder / "scan.nrrd"))
    assert scan.GetSpacing() == (1.5, 1.5, 1.5)
    assert scan.GetPixelIDTypeAsString() == "16-bit unsigned integer"
    assert read_parts(folder / "parts.json") == SP10.make_unit("SP10", 12)


def test_labels_are_written_only_where_they_are_asked_for(tmp_path):
    _write(tmp_path)
    before = _contents(tmp_path)
    assert _write(tmp_path, labels=True) == 2
    added = {path.name for path in _contents(tmp_path).keys() - before.keys()}
    assert added == {"labels.nrrd", "unit.yaml"}
    assert before.items() <= _contents(tmp_path).items(), "the rest is the same"
    unit = Unit.open(tmp_path / "SP10" / "SP10-012")
    labels = unit.read_labels(unit.read_scan())
    names = {unit.material_name(int(label)) for label in np.unique(labels.values) if label}
    assert {"battery_cell", "cover_glass"} <= names
    assert names <= {part.material for part in parts_of(unit).parts}
    assert check_unit(unit).summary.problems == ()


@pytest.mark.slow
def test_the_same_bytes_from_several_processes(tmp_path):
    _write(tmp_path / "one")
    _write(tmp_path / "two", workers=2)
    assert _contents(tmp_path / "one") == _contents(tmp_path / "two")


def test_a_run_goes_on_where_it_was_stopped(tmp_path):
    _write(tmp_path)
    before = _contents(tmp_path)
    kept = tmp_path / "SP1" / "SP1-001" / "scan.nrrd"
    written_at = kept.stat().st_mtime_ns
    (tmp_path / "SP10" / "SP10-012" / "parts.json").unlink()
    assert _write(tmp_path) == 1
    assert kept.stat().st_mtime_ns == written_at
    assert _contents(tmp_path) == before


@pytest.mark.parametrize("changes", [{"seed": 5}, {"scan_spacing_mm": 1.0}])
def test_units_made_with_other_settings_are_refused(tmp_path, changes):
    _write(tmp_path)
    before = _contents(tmp_path)
    with pytest.raises(InputError, match="choose another --out folder"):
        _write(tmp_path, **changes)
    assert _contents(tmp_path) == before


def test_a_class_of_another_family_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ConfigError, match=r"SP10 has no class RC1, X: choose from SP1, .*SP10\."):
        write_units(
            tmp_path, SP10, [UnitKey(name, 1) for name in ("SP1", "RC1", "X", "X")], scan_spacing_mm=None, mesh=False
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("family", "device_class"), [("sp10", "SP3"), ("rc6", "RC3")])
def test_the_verb_writes_what_is_asked_for(tmp_path, family, device_class):
    options = ["--units", "2", "--first-unit", "4", "--classes", device_class, "--no-scan", "--workers", "0"]
    result = CliRunner().invoke(app, ["devices", "family", family, "--out", str(tmp_path), *options])
    assert result.exit_code == 0, result.output
    names = [f"{device_class}-004", f"{device_class}-005"]
    assert sorted(path.name for path in (tmp_path / device_class).iterdir()) == names
    assert not list(tmp_path.rglob("scan.nrrd"))
    assert "2 units written" in result.output
