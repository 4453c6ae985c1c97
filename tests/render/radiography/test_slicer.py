import json
import math

import pytest

from rgbx.errors import InputError
from rgbx_render.radiography.scans import ScanLevels
from rgbx_render.radiography.slicer import read_slicer_presets, to_transfer_preset
from rgbx_render.radiography.transfer import preset_text, read_presets

HOUNSFIELD = ScanLevels(air=-1000.0, dense=3000.0)

CARDIAC = "14 -3024 0 -86.9767 0 45.3791 0.169643 139.919 0.589286 347.907 0.607143 1224.16 0.607143 3071 0.616071"
"""Scalar opacities of Slicer's preset CT-Cardiac3."""
COLOURS = "8 -3024 0 0 0 3071 1 1 1"
VP = f"1\n1\n0.9\n0.1\n0.2\n10\n{CARDIAC}\n4 0 1 255 1\n{COLOURS}\n"

XML = f"""<?xml version="1.0" encoding="utf-8"?>
<MRML>
  <VolumeProperty name="CT-Cardiac3" gradientOpacity="4 0 1 255 1" scalarOpacity="{CARDIAC}" interpolation="1"/>
  <VolumeProperty name="CT-Bone" scalarOpacity="8 -3024 0 -16.4458 0 641.385 0.715686 3071 0.705882"/>
</MRML>
"""


def as_json(points, **component):
    opacity = {
        "type": "piecewiseLinearFunction",
        "points": [{"x": x, "y": y, "midpoint": 0.5, "sharpness": 0} for x, y in points],
    }
    return json.dumps(
        {
            "@schema": "https://raw.githubusercontent.com/slicer/slicer/main/Modules/Loadable/VolumeRendering/Resources/"
            "Schema/volume-property-schema-v1.0.0.json#",
            "volumeProperties": [
                {"effectiveRange": [0.0, 220.0], "components": [{"shade": True, "scalarOpacity": opacity, **component}]}
            ],
        }
    )


def write(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


def test_a_text_file_is_read(tmp_path):
    presets = read_slicer_presets(write(tmp_path, "cardiac.vp", VP))
    assert list(presets) == ["cardiac"]
    assert presets["cardiac"].opacities[1:3] == ((-86.9767, 0.0), (45.3791, 0.169643))
    assert len(presets["cardiac"].opacities) == 7


def test_all_presets_of_a_scene_are_read(tmp_path):
    presets = read_slicer_presets(write(tmp_path, "presets.xml", XML))
    assert list(presets) == ["CT-Cardiac3", "CT-Bone"]
    assert presets["CT-Cardiac3"] == read_slicer_presets(write(tmp_path, "cardiac.vp", VP))["cardiac"]


def test_json_is_read_with_its_unit_distance(tmp_path):
    text = as_json([(0, 0), (120, 0.3), (1024, 0.5)], scalarOpacityUnitDistance=2.5)
    preset = read_slicer_presets(write(tmp_path, "mine.vp.json", text))["mine"]
    assert preset.opacities == ((0, 0), (120, 0.3), (1024, 0.5))
    assert preset.unit_distance == 2.5


def test_opacity_becomes_attenuation_on_the_scale_of_the_scan(tmp_path):
    path = write(tmp_path, "cardiac.vp", VP)
    seed = to_transfer_preset(path, read_slicer_presets(path)["cardiac"], HOUNSFIELD)
    assert seed.points[0] == (0, 0), "below air nothing is left"
    assert seed.points[1] == pytest.approx(((1000 - 86.9767) / 4000, 0))
    assert seed.points[2] == pytest.approx(((1000 + 45.3791) / 4000, -math.log(1 - 0.169643)))
    assert len(seed.points) == 7


def test_the_light_through_one_unit_distance_is_what_the_opacity_leaves(tmp_path):
    path = write(tmp_path, "mine.vp.json", as_json([(-1000, 0), (1000, 0.4)], scalarOpacityUnitDistance=2.5))
    seed = to_transfer_preset(path, read_slicer_presets(path)["mine"], HOUNSFIELD)
    assert math.exp(-seed.points[-1][1] * 2.5) == pytest.approx(0.6)


def test_what_is_opaque_gets_a_finite_attenuation(tmp_path):
    path = write(tmp_path, "mine.vp", "1 0 1 0 0 1 8 -2048 0 -451 0 -450 1 3661 1 4 0 1 255 1 8 0 0 0 0 1 1 1 1")
    seed = to_transfer_preset(path, read_slicer_presets(path)["mine"], HOUNSFIELD)
    assert seed.points[-1][1] == pytest.approx(-math.log(0.01))


def test_an_imported_seed_can_be_written_and_read(tmp_path):
    path = write(tmp_path, "cardiac.vp", VP)
    seed = to_transfer_preset(path, read_slicer_presets(path)["cardiac"], HOUNSFIELD)
    read = read_presets(write(tmp_path, "cardiac.yaml", preset_text(seed)))["cardiac"]
    assert read.about == seed.about
    for got, expected in zip(read.points, seed.points, strict=True):
        assert got == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "ends before the opacities"),
        ("1 1 0.9 0.1 0.2 10", "ends before the opacities"),
        ("1 1 0.9 shiny 0.2 10 4 0 0 1 1", "'shiny' is no number"),
        ("1 1 0.9 0.1 0.2 10 14 -3024 0 -86 0 45", "ends after 5 of 14"),
        ("1 1 0.9 0.1 0.2 10 4 0 0 100 nan", "'nan' is no finite number"),
        ("1 1 0.9 0.1 0.2 10 5 0 0 100 1 3", "at least two pairs"),
        ("1 1 0.9 0.1 0.2 10 6 0 0 100 0.5 50 1", "intensities of its opacities fall"),
        ("1 1 0.9 0.1 0.2 10 4 0 0 100 1.5", "1.5 is no opacity"),
        ("<MRML><VolumeProperty name='a'/></MRML>", "has no opacities"),
        ("<MRML><VolumeProperty", "is damaged"),
        ("<MRML/>", "holds no volume property"),
        ('{"volumeProperties": [', "is damaged"),
        ('{"volumeProperties": [{}]}', "lacks 'components'"),
        ('{"volumeProperties": []}', "holds no volume property"),
        (as_json([(0, 0), (10, "x")]), "'x' is no number"),
        (as_json([(0, 0), (10, 1)], scalarOpacityUnitDistance=0), "0 is no distance"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, text, problem):
    with pytest.raises(InputError, match=rf"bad\.vp .*{problem}"):
        read_slicer_presets(write(tmp_path, "bad.vp", text))


def test_a_file_that_is_missing_or_an_image_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_slicer_presets(tmp_path / "none.vp")
    (tmp_path / "image.vp").write_bytes(b"\x89PNG\r\n\x1a\n\xff")
    with pytest.raises(InputError, match="is no text"):
        read_slicer_presets(tmp_path / "image.vp")


def test_a_preset_for_another_kind_of_scan_is_noticed(tmp_path):
    path = write(tmp_path, "lung.vp", "1 1 1 0.2 0 1 10 -1000 0 -600 0 -599 0.15 -400 0.15 -399 0")
    with pytest.raises(InputError, match="nothing that is denser than the scan's air"):
        to_transfer_preset(path, read_slicer_presets(path)["lung"], ScanLevels(air=0.0, dense=7000.0))
