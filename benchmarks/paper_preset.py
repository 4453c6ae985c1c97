"""The paper's preset on this machine: render radiographs, train InceptionV3 with three iterations at 299², test it.

    python benchmarks/paper_preset.py [--out FOLDER] [--per-class 400 --epochs 3 --test-units 10] [--weights FILE]
    python benchmarks/paper_preset.py --quick

prints one JSON object as its last line: what was rendered and trained a second, on which processor, and what accuracy
that gave. The paper trains on 2,500 radiographs of each of ten classes for 40 epochs from ImageNet; ``hours_whole``
says how long that would take here. Without ``--weights`` the network starts from nothing, or, with ``--weights
imagenet``, from timm's hub. A run that was stopped goes on. ``--quick`` is smaller in all of this: it shows whether all
of it runs, and its figures say nothing.
"""

import argparse
import json
import tempfile
from pathlib import Path

import torch
from rich.console import Console

from rgbx.evaluation.evaluate import scores_of
from rgbx.models.processor import pick_processor
from rgbx.processes import cores
from rgbx_proving.experiments.benchmark import Benchmark
from rgbx_proving.experiments.reproduce import preset_benchmark
from rgbx_proving.experiments.workshop import Workshop

PAPER_IMAGES, PAPER_EPOCHS = 25_000, 40
QUICK: dict[str, object] = {
    "classes": ["SP1", "SP3"],
    "scanned_units": 1,
    "voxel_size_mm": 1.0,
    "radiographs_per_class": 8,
    "xray.size": 128,
    "xray_training.epochs": 1,
    "xray_training.stream.icam.input_size": 128,
    "xray_training.stream.transform.source_size": 128,
    "test_image_size": 128,
    "test_units": 1,
    "views_per_test_unit": 1,
}


def measured(out: Path, config: Benchmark, workers: int | None = None) -> dict[str, object]:
    """Render, train and test into ``out``; return the figures."""
    workshop = Workshop(out, config, Console(stderr=True), workers)
    samples = workshop.radiographs(config.xray, config.radiographs_per_class)
    model = workshop.stream(config.xray_training, [samples])
    rows = workshop.predictions(model, "xray").of("xray")
    images, epochs = len(samples), config.xray_training.epochs
    scores = scores_of(rows, config.device_classes, 1, config.seed)
    render, train = workshop.seconds(samples.folder) / images, workshop.seconds(model) / (images * epochs)
    hours = (render + PAPER_EPOCHS * train) * PAPER_IMAGES / 3600
    return {
        "processor": pick_processor().accelerator,
        "cores": cores(),
        "radiographs": images,
        "epochs": epochs,
        "rendered_per_s": round(1 / render, 1),
        "trained_per_s": round(1 / train, 1),
        "hours_whole": round(hours, 2),
        "accuracy": round(scores.accuracy, 4),
        "accuracy_95": [round(scores.accuracy_by_unit.low, 4), round(scores.accuracy_by_unit.high, 4)],
        "test_images": scores.n,
    }


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder for everything that is made; a temporary one when left out")
    parser.add_argument("--per-class", type=int, default=2500, help="radiographs of each class")
    parser.add_argument("--epochs", type=int, default=PAPER_EPOCHS)
    parser.add_argument("--test-units", type=int, default=40, help="of each class, two radiographs of each")
    parser.add_argument("--weights", default="none", help="file, 'imagenet' (timm's hub) or 'none'")
    parser.add_argument("--quick", action="store_true", help="two classes, a few small images: whether all of it runs")
    arguments = parser.parse_args()
    config, workers = preset_benchmark("paper"), None
    changes: dict[str, object] = {
        "radiographs_per_class": arguments.per_class,
        "test_units": arguments.test_units,
        "xray_training.epochs": arguments.epochs,
        "xray_training.stream.backbone.weights": arguments.weights,
    }
    if arguments.quick:
        # Starting processes takes longer than so little work, and on busy cores threads wait for each other.
        changes, workers = changes | QUICK, 0
        torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measured(arguments.out or Path(folder), config.updated(changes), workers)))


if __name__ == "__main__":
    main()
