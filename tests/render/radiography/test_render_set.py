import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from importlib.util import find_spec

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from any_devices import SHAPES
from rgbx.cli import app
from rgbx.errors import ConfigError, InputError, RgbxError
from rgbx.geometry import rotation_matrix
from rgbx.samples import SampleSet, Shard, generator
from rgbx.samples.sets import find_record
from rgbx_render.devices.library import Library
from rgbx_render.devices.selection import select_units
from rgbx_render.devices.volume import Volume
from rgbx_render.devices.volume_io import write_volume
from rgbx_render.radiography.radiographs import render_radiographs, replay_radiograph
from rgbx_render.radiography.randomisation import ScanStatistics, XrayRandomisation, draw_radiograph
from rgbx_render.radiography.scans import ScanLevels
from rgbx_render.radiography.superpoint import SuperPoint

CONFIG = XrayRandomisation(size=48).updated({"acceptance.keypoints": 30, "acceptance.detector": "corners"})
LEARNED = CONFIG.updated({"acceptance.detector": "superpoint"})


def board_of_chips(seed):
    """A slab of plastic with a few hundred bits of metal in it."""
    rng = np.random.default_rng(seed)
    values = np.zeros((14, 120, 70), np.uint16)
    values[3:11, 6:114, 6:64] = 900
    for _ in range(250):
        z, y, x = rng.integers((4, 8, 8), (9, 108, 58))
        values[z : z + 2, y : y + 5, x : x + 5] = rng.choice([3000, 12000, 16000])
    return Volume(values, (1.0, 1.0, 0.8))


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("library")
    for number, unit in enumerate(("A/A-1", "A/A-2", "B/B-1", "B/B-2")):
        write_volume(folder / unit / "scan.nrrd", board_of_chips(number))
    return Library.open(folder)


def contents(folder):
    """All files of a set but the overview, as {path: bytes}."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_device_of_any_shape_and_size_is_rendered_at_the_defaults(shape, tmp_path):
    shape.write_scan(tmp_path / "library/A/1")
    library = Library.open(tmp_path / "library")
    summary = render_radiographs(library, tmp_path / "set", XrayRandomisation(size=64), images_per_class=5, workers=0)
    assert summary.total.rate >= 0.3
    for record in SampleSet.open(tmp_path / "set"):
        image = cv2.imread(str(tmp_path / "set" / record.file_name), cv2.IMREAD_UNCHANGED)
        assert image.max() - image.min() > 0.1 * 65535, "the unit is seen"


def test_a_device_that_is_a_speck_beside_another_is_refused(tmp_path):
    for name in ("a metre long", "5 mm long"):
        SHAPES[name].write_scan(tmp_path / "library" / name / "1")
    library = Library.open(tmp_path / "library")
    with pytest.raises(InputError, match=r"5 mm long/1/scan\.nrrd shows a unit of .* 1\.\d pixels long .* --size \d+"):
        render_radiographs(library, tmp_path / "set", XrayRandomisation(), images_per_class=1, workers=0)


def test_a_long_device_that_leans_is_within_its_radiographs():
    """Some millimetres of its ends may be outside, as of any device."""
    corners = np.array(np.meshgrid((-498, 498), (-3, 3), (-3, 3))).reshape(3, 8).T
    statistics = ScanStatistics(levels=ScanLevels(air=0, dense=1), diagonal_mm=996, voxel_mm=3, contents=((1.0,),))
    for number in range(200):
        drawn = draw_radiograph(generator(number), XrayRandomisation(), ["unit"], statistics)
        projector, pose = drawn.projector, drawn.pose
        placed = corners @ rotation_matrix(pose.rotation).T + pose.translation
        larger = projector.source_to_detector / (projector.source_to_centre - placed[:, 2:])
        shown = (placed[:, :2] * larger - projector.principal_point) / (projector.pixel_size * projector.pixels[0])
        assert np.abs(shown).max() < 0.5 * 1.3


def test_settings_may_change_after_a_run_that_made_nothing(library, tmp_path):
    hopeless = CONFIG.updated({"acceptance.dark": 1.0, "acceptance.dark_share": 0.0, "attempts": 2})
    with pytest.raises(RgbxError, match="were rejected"):
        render_radiographs(library, tmp_path / "set", hopeless, images_per_class=2, workers=0)
    render_radiographs(library, tmp_path / "set", CONFIG, images_per_class=2, workers=0)
    assert len(SampleSet.open(tmp_path / "set")) == 4


@pytest.mark.slow
@pytest.mark.parametrize("config", [CONFIG, LEARNED], ids=["corners", "superpoint"])
def test_any_number_of_workers_writes_the_same_bytes(library, tmp_path, config):
    for workers in (0, 1, 2):
        render_radiographs(library, tmp_path / str(workers), config, images_per_class=6, seed=3, workers=workers)
    one, two, three = (contents(tmp_path / str(workers)) for workers in (0, 1, 2))
    assert one == two == three
    assert sorted(name for name in one if "/" not in name) == [
        "dataset.json", "metadata.jsonl", "overview.png", "summary.json"
    ]  # fmt: skip
    assert len(one) == 4 + 12


@pytest.mark.slow
def test_a_ray_node_that_dies_costs_no_radiograph(library, tmp_path, ray_cluster):
    config, count = CONFIG.updated({"size": 160}), 300
    missing_at_death = []

    def kill_a_node_in_the_middle():
        while len(written := list((tmp_path / "ray").glob("*/*.png"))) < count // 4:
            time.sleep(0.02)
        ray_cluster.kill_a_node()
        missing_at_death.append(2 * count - len(written))

    killer = threading.Thread(target=kill_a_node_in_the_middle)
    killer.start()
    render_radiographs(library, tmp_path / "ray", config, images_per_class=count, ray=ray_cluster.address)
    killer.join()
    assert missing_at_death[0] > 0
    render_radiographs(library, tmp_path / "pool", config, images_per_class=count)
    assert contents(tmp_path / "ray") == contents(tmp_path / "pool")


def test_a_set_shows_the_chosen_units_of_every_class(library, tmp_path):
    render_radiographs(library, tmp_path / "x", CONFIG, images_per_class=5, units="2", workers=0)
    samples = SampleSet.open(tmp_path / "x")
    assert [(record.label, record.unit) for record in samples] == [("A", "A-2")] * 5 + [("B", "B-2")] * 5
    for record in samples:
        image = cv2.imread(str(samples.path(record)), cv2.IMREAD_UNCHANGED)
        assert image.shape == (48, 48)
        assert image.dtype == np.uint16


def test_samples_are_alike_whatever_else_is_in_the_set(library, tmp_path):
    render_radiographs(library, tmp_path / "few", CONFIG, images_per_class=2, workers=0)
    render_radiographs(library, tmp_path / "more", CONFIG, images_per_class=4, workers=0)
    few, more = contents(tmp_path / "few"), contents(tmp_path / "more")
    assert all(more[name] == content for name, content in few.items() if "/" in name)


@pytest.mark.parametrize("config", [CONFIG, LEARNED], ids=["corners", "superpoint"])
def test_the_summary_counts_draws_by_transfer_function(library, tmp_path, config):
    summary = render_radiographs(library, tmp_path / "x", config, images_per_class=10, workers=0)
    records = SampleSet.open(tmp_path / "x").records
    assert summary.total.kept == 20
    assert summary.total.tried == sum(record.attempt + 1 for record in records)
    assert sum(tally.tried for tally in summary.transfer_functions.values()) == summary.total.tried
    kept = Counter(record.draw["transfer"]["name"] for record in records)
    assert {name: tally.kept for name, tally in summary.transfer_functions.items() if tally.kept} == kept
    assert json.loads((tmp_path / "x/summary.json").read_text()) == summary.model_dump(mode="json")


def test_the_summary_tells_which_transfer_function_is_rejected(library, tmp_path):
    seeds = {
        "seen": {"about": "all of it", "points": [(0.05, 0.0), (1.0, 0.5)]},
        "unseen": {"about": "nothing", "points": [(0.05, 0.0), (1.0, 0.0)]},
    }
    values = LEARNED.model_dump()
    values["transfer"]["presets"] = seeds
    summary = render_radiographs(
        library, tmp_path / "x", XrayRandomisation.model_validate(values), images_per_class=8, workers=0
    )
    assert summary.transfer_functions["seen"].rate > 0.5
    assert summary.transfer_functions["unseen"].kept == 0
    assert summary.transfer_functions["unseen"].tried > 0


def test_weights_that_cannot_be_used_are_refused_before_anything_is_written(library, tmp_path):
    (tmp_path / "weights.pth").write_bytes(b"nonsense")
    config = LEARNED.updated({"acceptance.superpoint.weights": str(tmp_path / "weights.pth")})
    with pytest.raises(InputError, match=r"weights\.pth is no file of weights"):
        render_radiographs(library, tmp_path / "x", config, images_per_class=1)
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
def test_weights_of_the_users_own_reach_the_workers(library, tmp_path):
    torch.manual_seed(0)
    torch.save(SuperPoint((64, 64, 128, 128), 256).state_dict(), tmp_path / "own.pth")
    changes = {"acceptance.superpoint": {"weights": str(tmp_path / "own.pth"), "size": 96}, "acceptance.keypoints": 5}
    config = LEARNED.updated(changes)
    for workers in (0, 1):
        render_radiographs(library, tmp_path / str(workers), config, images_per_class=1, workers=workers)
    assert contents(tmp_path / "0") == contents(tmp_path / "1")


def test_a_sample_is_rendered_again_from_its_record_alone(library, tmp_path):
    render_radiographs(library, tmp_path / "x", CONFIG, images_per_class=2, workers=0)
    path = tmp_path / "x/B/000001.png"
    image = replay_radiograph(find_record(path), library).image
    assert np.array_equal(image, cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
    with pytest.raises(InputError, match=r"stray\.png is not in a set"):
        find_record(tmp_path / "y/B/stray.png")
    elsewhere = Library(library.path, [unit for unit in library.units if unit.device_class == "A"])
    with pytest.raises(InputError, match="has no unit B/B-"):
        replay_radiograph(find_record(path), elsewhere)


@pytest.mark.slow
def test_edited_samples_are_the_same_for_any_workers_and_rendered_again_from_their_records(library, tmp_path):
    config = CONFIG.updated({"edits.probability": 1.0, "edits.parts": (1, 2), "blur": (0, 0.5)})
    for workers in (0, 2):
        render_radiographs(library, tmp_path / str(workers), config, images_per_class=2, workers=workers)
    assert contents(tmp_path / "0") == contents(tmp_path / "2")
    records = SampleSet.open(tmp_path / "0").records
    assert all(record.draw["edits"]["parts"] for record in records)
    path = tmp_path / "0" / records[0].file_name
    assert np.array_equal(replay_radiograph(records[0], library).image, cv2.imread(str(path), cv2.IMREAD_UNCHANGED))


def test_other_settings_are_refused_with_what_differs(library, tmp_path):
    render_radiographs(library, tmp_path / "x", CONFIG, images_per_class=1, workers=0)
    with pytest.raises(InputError, match=r"made with other settings .*size: 48 there, 50 now"):
        render_radiographs(library, tmp_path / "x", CONFIG.updated({"size": 50}), images_per_class=1, workers=0)


def test_a_unit_that_nothing_can_be_seen_of_ends_with_a_remedy(library, tmp_path):
    faint = CONFIG.updated({"transfer.jitter.strength": (0, 0), "attempts": 3})
    with pytest.raises(RgbxError, match=r"All 3 draws for image 0 of class A were rejected.*--set transfer"):
        render_radiographs(library, tmp_path / "x", faint, images_per_class=1, workers=0)
    render_radiographs(library, tmp_path / "x", CONFIG, images_per_class=1, workers=0)
    assert SampleSet.open(tmp_path / "x").header.config["attempts"] == CONFIG.attempts


def test_a_class_without_a_chosen_unit_is_named(library, tmp_path):
    with pytest.raises(InputError, match="B has no scan among the chosen units"):
        render_radiographs(library, tmp_path / "x", CONFIG, images_per_class=1, units="A-1", workers=0)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        (None, ["A-1", "A-2", "B-1", "B-2"]),
        ("1", ["A-1", "B-1"]),
        ("1-2", ["A-1", "A-2", "B-1", "B-2"]),
        ("B-2, A-1", ["A-1", "B-2"]),
        ("A,2", ["A-1", "A-2", "B-2"]),
    ],
)
def test_units_are_chosen_by_number_or_name(library, selection, names):
    assert [unit.name for unit in select_units(library, selection)] == names


@pytest.mark.parametrize("selection", ["3", "C-1", "0", "2-1"])
def test_a_selection_that_fits_no_unit_is_refused(library, selection):
    with pytest.raises(ConfigError, match=f"--units names '{selection}'"):
        select_units(library, selection)


def test_joined_shards_are_the_same_set_and_replay(library, tmp_path):
    for number in (1, 2):
        part = tmp_path / f"part-{number}"
        assert render_radiographs(library, part, CONFIG, images_per_class=3, workers=0, shard=Shard(number, 2)) is None
        assert [path.name for path in part.glob(".*")] == [], "prepared scans are gone"
    render_radiographs(library, tmp_path / "whole", CONFIG, images_per_class=3, workers=0)
    parts = [str(tmp_path / "part-2"), str(tmp_path / "part-1")]
    joined = CliRunner().invoke(app, ["sets", "join", *parts, "--out", str(tmp_path / "joined")])
    assert joined.exit_code == 0, joined.output
    assert contents(tmp_path / "joined") == contents(tmp_path / "whole")

    image, again = tmp_path / "joined/B/000001.png", tmp_path / "again.png"
    arguments = ["render", "xray", str(library.path), "--replay", str(image), "--out", str(again)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert again.read_bytes() == image.read_bytes()


def test_shards_to_one_folder_say_what_is_missing(library, tmp_path):
    def run(shard):
        out = str(tmp_path / "x")
        options = ["--per-class", "2", "--size", "48", "--workers", "0"]
        options += ["--set", "acceptance.keypoints=30", "--set", "acceptance.detector=corners"]
        return CliRunner().invoke(app, ["render", "xray", str(library.path), "--out", out, "--shard", shard, *options])

    first = run("1/2").output
    assert "Shard 1/2 in" in first
    assert "the set will be once 2/2 are there" in first
    assert "4 radiographs in" in run("2/2").output
    render_radiographs(library, tmp_path / "whole", CONFIG, images_per_class=2, workers=0)
    assert contents(tmp_path / "x") == contents(tmp_path / "whole")
    assert isinstance(run("3/2").exception, ConfigError)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: run 'pip install rgbx[ray]'")
def test_ray_renders_the_same_set(library, tmp_path):
    render_radiographs(library, tmp_path / "pool", CONFIG, images_per_class=4, workers=1)
    render_radiographs(library, tmp_path / "ray", CONFIG, images_per_class=4, workers=1, ray="local")
    assert contents(tmp_path / "ray") == contents(tmp_path / "pool")


@pytest.mark.slow
@pytest.mark.parametrize("shards", [[None], ["1/2", "2/2"]])
def test_a_killed_run_goes_on_to_the_same_set(library, tmp_path, shards):
    def command(out, shard=None):
        return [
            sys.executable, "-m", "rgbx", "render", "xray", str(library.path), "--out", str(out), "--per-class", "40",
            "--size", "96", "--workers", "1", "--set", "acceptance.keypoints=30",
            *(["--shard", shard] if shard else []),
            "--set", "acceptance.detector=corners",
        ]  # fmt: skip

    killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    for shard in shards:
        before = len(list(killed.glob("*/[0-9]*.png")))
        run = subprocess.Popen(command(killed, shard), stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while len(list(killed.glob("*/[0-9]*.png"))) < before + 5 and time.monotonic() < deadline:
            time.sleep(0.005)
        run.send_signal(signal.SIGKILL)
        run.wait()
        there = len(list(killed.glob("*/[0-9]*.png"))) - before
        assert 5 <= there < 80 / len(shards), "it was killed in the middle"
        assert not (killed / "metadata.jsonl").exists()
        times = {path: path.stat().st_mtime_ns for path in killed.glob("*/[0-9]*.png")}
        subprocess.run(command(killed, shard), check=True, capture_output=True)
        again = [path for path, when in times.items() if path.stat().st_mtime_ns != when]
        assert len(again) <= 1, "only an image whose record the kill forestalled is written again"

    subprocess.run(command(undisturbed), check=True, capture_output=True)
    assert contents(killed) == contents(undisturbed)
