"""``rgbx reproduce revisions`` on sizes that take seconds."""

import numpy as np
import pytest
from typer.testing import CliRunner

from rgbx.cli import app
from rgbx.errors import ConfigError
from rgbx.view.transform import Transform, TransformConfig, warp
from rgbx_proving.experiments.reproduce import stream_trainings
from rgbx_proving.experiments.revisions import (
    RevisionsResult,
    revision_forms,
    revisions_settings,
    seen_at,
)
from tiny_benchmark import TINY_REVISIONS, options


@pytest.mark.parametrize("preset", ["small", "paper"])
def test_every_form_is_a_valid_change_and_sees_as_much_as_it_says(preset):
    settings = revisions_settings(preset)
    benchmark = settings.of(2.0)
    side = benchmark.xray_training.stream.icam.input_size
    trainings = [stream_trainings(benchmark, row, "xray", 3)[0] for row in revision_forms(side)]
    assert len({(each.epochs, each.seed, each.warmup_epochs) for each in trainings}) == 1
    loops = [each.stream.icam for each in trainings]
    assert [each.iterations for each in loops] == [1, 1, 2, 2]
    assert [each.extractors for each in loops] == ["shared"] * 3 + ["own"]
    pixels = [each.iterations * (each.input_size / side) ** 2 for each in loops]
    assert pixels == pytest.approx([1, 2, 2, 2], rel=0.01)
    assert all(each.stream.transform.source_size > each.stream.icam.input_size for each in trainings)


def test_a_size_is_a_family_with_voxels_that_resolve_it():
    settings = revisions_settings("small").updated({"revisions": [0, 3]})
    assert settings.of(0.5).device_classes == ("REV0-0.5mm", "REV3-0.5mm")
    assert [settings.of(size).voxel_size_mm for size in settings.sizes_mm] == [0.15, 0.2, 0.3, 0.3, 0.3]
    digests = {settings.of(size).digest() for size in settings.sizes_mm}
    assert len(digests) == len(settings.sizes_mm)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"sizes_mm": [3]}, "no revisions of 3 mm: choose from 0.5, 1, 2, 4, 8"),
        ({"revisions": [0, 10]}, "less than or equal to 9"),
        ({"benchmark.family": "rc6"}, "follow from sizes_mm and revisions"),
        ({"benchmark.classes": ["SP1"]}, "follow from sizes_mm and revisions"),
    ],
)
def test_what_cannot_be_compared_is_refused(settings, problem):
    with pytest.raises(ConfigError, match=problem):
        revisions_settings("small").updated(settings)


def test_a_place_is_found_again_in_a_view_of_it():
    """A device that lies anyhow, with a hole in it: where the hole is in the image, it is in the view."""
    image = np.full((200, 200), 0.9, np.float32)
    rows, columns = np.mgrid[:200, :200]
    turn = np.radians(30)
    across = np.cos(turn) * (columns - 110) + np.sin(turn) * (rows - 95)
    along = -np.sin(turn) * (columns - 110) + np.cos(turn) * (rows - 95)
    image[(np.abs(across) < 30) & (np.abs(along) < 60)] = 0.3
    hole = np.hypot(across - 12, along + 35) < 4
    image[hole] = 0.05
    seen = Transform("xray", TransformConfig(source_size=128, aspect=2.0)).see(image)
    middle = np.array([columns[hole].mean(), rows[hole].mean()])
    x, y = seen_at(middle, seen.place, seen.pixels.shape)
    shown = warp(hole.astype(np.float32), seen.place, seen.pixels.shape)
    where = np.argwhere(shown > 0.5).mean(axis=0)
    assert (y, x) == pytest.approx(tuple((where + 0.5) / seen.pixels.shape), abs=0.01)


@pytest.mark.slow
def test_revisions_are_measured_and_drawn(tmp_path):
    command = ["reproduce", "revisions", "--out", str(tmp_path), "--seeds", "2", *options(TINY_REVISIONS)]
    ran = CliRunner().invoke(app, [*command, "--workers", "0"])
    assert ran.exit_code == 0, f"{ran.output}\n{ran.exception!r}"
    result = RevisionsResult.model_validate_json((tmp_path / "revisions.json").read_text())
    assert [size.size_mm for size in result.sizes] == [4, 8]
    for size in result.sizes:
        assert [form.speed.passes for form in size.forms] == [1, 1, 2, 2]
        for form in size.forms:
            assert 0 <= form.error.low <= form.error.value <= form.error.high <= 1
            assert form.error.value == pytest.approx(np.mean(form.error_by_seed))
            assert (form.images, form.units) == (4, 4)
            assert (form.site_seen is None) == (form.speed.passes == 1)
        for again, share in zip(size.forms[2:], (0.25, 0.0625), strict=True):
            assert again.by_chance == pytest.approx(share)
            assert again.pixels == 2 * size.forms[0].pixels
    assert "| 8 | iCAM, n = 2 |" in (tmp_path / "revisions.md").read_text()
    assert (tmp_path / "revisions.png").read_bytes().startswith(b"\x89PNG")
    networks = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("weights.safetensors")}
    assert len(networks) == 2 * 4 * 2
    ran = CliRunner().invoke(app, [*command, "--workers", "0"])
    assert ran.exit_code == 0, ran.output
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("weights.safetensors")} == networks
    assert RevisionsResult.model_validate_json((tmp_path / "revisions.json").read_text()) == result
