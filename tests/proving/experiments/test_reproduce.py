"""``rgbx reproduce`` on sizes that take seconds."""

from dataclasses import replace

import pytest
from rich.console import Console
from typer.testing import CliRunner

from birds import write_birds
from rgbx.cli import app
from rgbx.evaluation.intervals import PairedTest
from rgbx.models.seal import SUMS, seal, sealed
from rgbx.samples import SampleSet
from rgbx.samples.sets import METADATA
from rgbx.training.budget import Budget
from rgbx.trust.sorting import TrustConfig
from rgbx_proving.experiments.benchmark import Benchmark
from rgbx_proving.experiments.reproduce import TableResult, preset_benchmark, stream_trainings, table_markdown
from rgbx_proving.experiments.tables import ALONE, BEST, BIRDS, TABLES, Row, icam
from rgbx_proving.experiments.workshop import Speed, Workshop
from tiny_benchmark import CLOSER, TINY, options
from tiny_bundle import write_untrained_bundle

OPTIONS = options(TINY | CLOSER)


@pytest.mark.slow
def test_a_table_is_measured_once_and_written_three_ways(tmp_path):
    command = ["reproduce", "aggregators", "--out", str(tmp_path / "x"), "--seeds", "2", *OPTIONS]
    ran = CliRunner().invoke(app, command)
    assert ran.exit_code == 0, ran.output
    result = TableResult.model_validate_json((tmp_path / "x/aggregators.json").read_text())
    assert [row.name for row in result.rows] == ["mean", "sum", "weighted mean"]
    for row in result.rows:
        assert 0 <= row.accuracy.low <= row.accuracy.value <= row.accuracy.high <= 1
        assert len(row.accuracy_by_seed) == 2
        assert (row.images, row.units, row.speed.passes) == (8, 4, 3)
        assert row.training_minutes > 0
        assert row.speed.inference_ms > 0
        assert (row.against_baseline is None) == (row.name == "weighted mean")
    assert "| mean |" in (tmp_path / "x/aggregators.md").read_text()
    assert (tmp_path / "x/aggregators.png").read_bytes().startswith(b"\x89PNG")

    networks = {path: path.stat().st_mtime_ns for path in (tmp_path / "x").rglob("weights.safetensors")}
    assert len(networks) == 8, "for each seed a first look, and one network for each row that goes on from it"
    ran = CliRunner().invoke(app, ["reproduce", "table4", "--out", str(tmp_path / "x"), "--seeds", "1", *OPTIONS])
    assert ran.exit_code == 0, ran.output
    now = {path: path.stat().st_mtime_ns for path in (tmp_path / "x").rglob("weights.safetensors")}
    assert networks.items() <= now.items()
    assert len(now) == 8 + 3, "n = 3 is the weighted mean of the other table"


@pytest.mark.slow
@pytest.mark.blender
def test_modalities_are_compared_on_the_same_images(workshop):
    out = workshop
    for table in ("table5", "table6"):
        ran = CliRunner().invoke(app, ["reproduce", table, "--out", str(out), *OPTIONS])
        assert ran.exit_code == 0, ran.output
    found = {
        row.name: row
        for table in ("table5", "table6")
        for row in TableResult.model_validate_json((out / f"{table}.json").read_text()).rows
    }
    assert found["RGB"].against_baseline is None, "photographs are no radiographs"
    assert found["RGB-X"].against_baseline is not None
    assert found["RGB-X"].images == found["X-ray"].images == 8
    assert found["RGB-X"].speed.passes == 2 * found["X-ray"].speed.passes
    assert found["RGB-X"].training_minutes > found["X-ray"].training_minutes + found["RGB"].training_minutes
    shown, tested = (
        {record.unit for made in out.glob(pattern) for record in SampleSet.open(made.parent)}
        for pattern in (f"sets/line-*/rgb/{METADATA}", f"line-*/rgb/{METADATA}")  # other processes are making more
    )
    assert shown and not shown & tested
    assert found["fast fusion"].accuracy == found["RGB-X"].accuracy, "the same network"
    assert found["product of experts"].against_baseline is not None


def test_table_3_is_about_the_official_birds(tmp_path, monkeypatch):
    row = {"channel": "rgb", "network": "test_resnet"}
    rows = (Row("alone", rgb={**BIRDS, **ALONE}, **row), Row("iCAM", rgb={**BIRDS, **icam(3)}, **row))
    monkeypatch.setitem(TABLES, "table3", replace(TABLES["table3"], rows=rows, baseline="alone"))
    command = ["reproduce", "table3", "--out", str(tmp_path / "x"), *OPTIONS]
    ran = CliRunner().invoke(app, command)
    assert ran.exit_code != 0
    assert "--cub200 CUB_200_2011" in str(ran.exception)
    ran = CliRunner().invoke(app, [*command, "--cub200", str(write_birds(tmp_path / "CUB_200_2011", copies=4))])
    assert ran.exit_code == 0, ran.output
    alone, looped = TableResult.model_validate_json((tmp_path / "x/table3.json").read_text()).rows
    assert (alone.images, alone.units, alone.speed.passes) == (8, 8, 1)
    assert (looped.images, looped.units, looped.speed.passes) == (8, 8, 3)
    assert alone.told_apart is None
    assert alone.note == "trained from scratch, epochs: 1"


def test_every_row_is_a_valid_change_of_both_presets():
    for preset in ("small", "paper"):
        benchmark = preset_benchmark(preset)
        assert benchmark.test_units * benchmark.views_per_test_unit * len(benchmark.device_classes) == 800
        for table in TABLES.values():
            assert table.baseline in [row.name for row in table.rows]
            for row in table.rows:
                benchmark.xray.updated(row.radiographs)
                for modality in ("xray", "rgb"):
                    training, first = stream_trainings(benchmark, row, modality, seed=3)
                    assert training.seed == 3
                    assert (first is not None) == (row.closer and preset == "small")
                benchmark.fusion_training.updated(row.fusion)


def test_networks_that_start_from_nothing_have_epochs_of_their_own():
    benchmark = preset_benchmark("small")
    rows = {row.name: row for row in TABLES["table2"].rows}
    embedded, _ = stream_trainings(benchmark, rows["iCAM on EfficientNet-Lite0, n = 3"], "xray", 0)
    scratch, _ = stream_trainings(benchmark, rows["iCAM on InceptionV3, n = 3"], "xray", 0)
    assert (embedded.epochs, Budget(embedded).warm_up) == (5, 4)
    assert (scratch.epochs, Budget(scratch).warm_up) == (4, 3)
    alone, _ = stream_trainings(benchmark, rows["VGG-19"], "xray", 0)
    assert (alone.epochs, Budget(alone).warm_up) == (4, 0)
    paper, _ = stream_trainings(preset_benchmark("paper"), rows["VGG-19"], "xray", 0)
    assert (paper.epochs, paper.stream.backbone.weights) == (40, "imagenet")


def test_the_best_bundle_is_trained_by_its_own_settings():
    for preset in ("small", "paper"):
        benchmark = preset_benchmark(preset)
        for row in TABLES["headline"].rows:
            for modality in ("xray", "rgb"):
                assert stream_trainings(benchmark, row, modality, 2)[0] == benchmark.best[modality].updated({"seed": 2})
    plain, _ = stream_trainings(Benchmark(), BEST, "xray", 0)
    assert plain == Benchmark().xray_training, "where there are none, the benchmark's"


def test_folders_are_named_by_what_decides_their_content(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(Workshop, "_once", lambda _workshop, folder, *_: made.append(folder))
    monkeypatch.setattr("rgbx_proving.experiments.workshop.Library.open", lambda _folder: None)
    for changes in ({}, {"radiographs_per_class": 9}, {"seed": 1}, {"voxel_size_mm": 0.5}):
        Workshop(tmp_path, Benchmark().updated(changes), Console()).library()
    assert made[0] == made[1]
    assert len(set(made)) == 3


def test_a_copy_keeps_what_was_sealed_in_it(tmp_path):
    model = write_untrained_bundle(tmp_path / "models" / "rgbx-1")
    workshop = Workshop(tmp_path, Benchmark(), Console())
    copy = workshop.copy(model, "runtimes")
    (copy / "graph").write_text("exported")
    seal(copy, ["graph"])
    assert workshop.copy(model, "runtimes") == copy
    assert sealed(copy, "graph", "")
    assert "graph" not in (model / SUMS).read_text()


def test_what_is_measured_of_a_bundle_is_measured_once(tmp_path):
    model, speeds = tmp_path / "models" / "rgbx-1", iter(range(1, 10))

    def ask(benchmark: Benchmark, config: TrustConfig, what: str = "held-out") -> int:
        def measure() -> Speed:
            return Speed(parameters=next(speeds), passes=2, inference_ms=1.5)

        return Workshop(tmp_path, benchmark, Console()).measured(model, what, config, Speed, measure).parameters

    assert ask(Benchmark(), TrustConfig()) == 1
    assert ask(Benchmark(held_out=("SP5",)), TrustConfig()) == 1, "which classes are left out is no matter"
    assert ask(Benchmark(), TrustConfig(), "known-devices") == 2
    assert ask(Benchmark(calibration_units=30), TrustConfig()) == 3
    assert ask(Benchmark(), TrustConfig(false_sorts=0.01)) == 4
    assert ask(Benchmark(), TrustConfig()) == 1


def test_markdown_leaves_out_what_was_not_compared():
    row = {
        "name": "X-ray", "note": "", "accuracy": {"value": 0.9, "low": 0.8, "high": 1.0},
        "precision": {"value": 0.9, "low": 0.8, "high": 1.0}, "recall": {"value": 0.9, "low": 0.8, "high": 1.0},
        "accuracy_by_seed": [0.9], "told_apart": None, "validation_by_seed": [0.85], "images": 10, "units": 5,
        "speed": {"parameters": 3_400_000, "passes": 2, "inference_ms": 20.0}, "training_minutes": 4.0,
        "against_baseline": None, "paper": {"accuracy": 0.979},
    }  # fmt: skip
    difference = {"value": 0.05, "low": 0.01, "high": 0.1}
    test = PairedTest.model_validate({"gained": 3, "lost": 1, "difference": difference, "p": 0.04})
    result = TableResult.model_validate(
        {
            "table": "table5", "title": "T", "question": "Q.", "baseline": "X-ray", "preset": "small", "seeds": [0],
            "rows": [row, row | {"name": "RGB-X", "against_baseline": test.model_dump()}], "origin": "simulated",
            "benchmark": Benchmark().model_dump(), "cores": 2, "versions": {},
        }
    )  # fmt: skip
    lines = table_markdown(result).splitlines()
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1, "as many columns in each line"
    assert "|  |  | 2 | 3.4 M |" in lines[-2]
    assert "+0.050 [+0.010, +0.100] | 0.04 |" in lines[-1]
    assert "accuracy 0.979" in lines[-1]
