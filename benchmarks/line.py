"""A line in the plant twin: how soon its answers come, and whether each is there, once, and of the right part.

    python benchmarks/line.py [--quick] [--model FOLDER --test-line FOLDER] [--parts N] [--every S]

prints one JSON object as its last line. Without a model it makes a small one with random weights and a calibration, and
a test line of drawn images, so that all but the time of the network itself is what it is on a real line. A first shift
is without faults, with a client over each protocol: latencies are of this one. In a second one processes and the
supervisor are killed at random moments. In a third one parts come as fast as they can, beside ``rgbx predict --folder``
with the same model and images. With ``--quick`` there is one short shift without OPC UA, in which the supervisor is
killed: its longest latencies are those of parts that came meanwhile, ``p99_ready_ms`` those of the others.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import torch
import yaml

from rgbx.evaluation.calibrate import calibrate, read_sorting
from rgbx.modality import MODALITIES, Modality
from rgbx.models import bundle
from rgbx.models.header import read_bundle_header
from rgbx.models.network import RgbXNetwork
from rgbx.models.stream import build_stream
from rgbx.models.stream_config import BackboneConfig, ICamConfig, StreamConfig
from rgbx.samples import SampleKey, SampleRecord, SampleSet, SetHeader, generator, write_image
from rgbx.trust.calibration import load_calibration
from rgbx.trust.sorting import TrustConfig
from rgbx.view.transform import TransformConfig
from rgbx_proving.plant.conveyor import stock_of
from rgbx_proving.plant.faults import FaultSettings
from rgbx_proving.plant.findings import SimulationResult
from rgbx_proving.plant.simulate import SimulationSettings, run_simulation

CLASSES = ("A", "B", "C")
PIXELS = 96
UNITS = 4
"""Of each class."""
IMAGES = 12
"""Of each class and modality."""


def drawn_line(folder: Path) -> None:
    """Draw a test line: devices of three classes, told apart by where a dark square sits."""
    for modality in MODALITIES:
        header = SetHeader(
            modality=modality, origin="drawn", seed=0, classes=CLASSES, config={}, source="0", version="0"
        )
        samples = SampleSet.create(folder / modality, header)
        for label, name in enumerate(CLASSES):
            for index in range(IMAGES):
                key = SampleKey(name, index)
                file_name = f"{key.stem}.png"
                write_image(folder / modality / file_name, drawn_image(label, index, modality))
                unit = f"{name}-{index % UNITS}"
                samples.add(SampleRecord(file_name=file_name, label=name, unit=unit, seed=index, draw={}))
        samples.finish()


def drawn_image(label: int, index: int, modality: Modality) -> np.ndarray:
    """Return an image of a device."""
    rng = generator(1000 * label, index)
    image = np.full((PIXELS, PIXELS), 0.9) + rng.normal(0, 0.02, (PIXELS, PIXELS))
    image[PIXELS // 4 : -PIXELS // 4, PIXELS // 6 : -PIXELS // 6] *= 0.5
    step = PIXELS // 6
    left = step + label * step + int(rng.integers(0, 3))
    image[PIXELS // 3 : PIXELS // 3 + step, left : left + step] *= 0.2
    if modality == "xray":
        return np.rint(image.clip(0, 1) * 60000).astype(np.uint16)
    return np.rint(image.clip(0, 1)[..., None] * [255, 250, 245]).astype(np.uint8)


def random_model(folder: Path, line: Path) -> None:
    """Write a bundle with random weights, and calibrate it to a test line."""
    torch.manual_seed(0)
    configs = {
        modality: StreamConfig(
            modality=modality,
            transform=TransformConfig(source_size=64, view="none" if modality == "rgb" else "square"),
            backbone=BackboneConfig(name="test_resnet", weights="none"),
            icam=ICamConfig(input_size=64),
        )
        for modality in MODALITIES
    }
    network = RgbXNetwork({name: build_stream(each, len(CLASSES)) for name, each in configs.items()}, fused=True)
    bundle.save_bundle(folder, network, CLASSES, configs, training={}, sources={}, metrics={})
    sets = {modality: SampleSet.open(line / modality) for modality in MODALITIES}
    calibrate(folder, sets, read_sorting(None, CLASSES), TrustConfig(false_sorts=0.2))


def line_file(path: Path, model: Path, protocols: tuple[str, ...], deadline: float = 5.0) -> Path:
    """Write settings of a line."""
    calibrated = load_calibration(model, read_bundle_header(model).weights_sha256)
    bins = dict.fromkeys(calibrated.sorting.bins) if calibrated else {}
    settings = {
        "folder": "line",
        "bundle": str(model.resolve()),
        "bins": {name: code for code, name in enumerate(bins, start=1)},
        "images": {"rgb": "camera", "xray": "detector", "pairing": {"settle": 0.0, "wait": 2.0}},
        "web": None,
        "deadline": deadline,
        **{protocol: {} for protocol in protocols},
    }
    path.write_text(yaml.safe_dump(settings))
    return path


def line_pairs_a_second(place: Path, model: Path, test_line: Path, parts: int) -> float:
    """Return how many pairs a line answers that always has some waiting."""
    file = line_file(place / "fast.yaml", model, (), deadline=600.0)
    settings = SimulationSettings(parts=parts, every=0.01, apart=0.0)
    result = run_simulation(file, test_line, place / "fast", settings, print)
    return result.parts / result.seconds


def predict_pairs_a_second(place: Path, model: Path, test_line: Path, pairs: int) -> float:
    """Return how many pairs ``rgbx predict --folder`` answers, without the time that it takes to start."""
    folder, out = place / "images", place / "predicted.jsonl"
    folder.mkdir()
    stock = stock_of(test_line)
    for number in range(pairs):
        for modality, path in stock[number % len(stock)].images.items():
            shutil.copyfile(path, folder / f"P{number:06d}_{modality}{path.suffix}")
    subprocess.run(
        [sys.executable, "-m", "rgbx", "predict", model, "--folder", folder, "--out", out],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    times = [json.loads(line)["ProcessingTimes"] for line in out.read_text().splitlines()]
    first, last = (datetime.fromisoformat(time) for time in (times[0]["StartTime"], times[-1]["EndTime"]))
    return pairs / (last - first).total_seconds()


def main() -> None:
    """Run the shifts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short shift with a kill: half a minute")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--test-line", type=Path)
    parser.add_argument("--parts", type=int)
    parser.add_argument("--every", type=float)
    given = parser.parse_args()
    if (given.model is None) != (given.test_line is None):
        parser.error("--model needs --test-line, and --test-line a model that knows its classes")
    parts = given.parts or (20 if given.quick else 300)
    every = given.every or (0.25 if given.quick else 1.0)
    with tempfile.TemporaryDirectory(prefix="line-") as name:
        place = Path(name)
        test_line, model = given.test_line or place / "test", given.model or place / "model"
        if given.model is None:
            drawn_line(test_line)
            random_model(model, test_line)
        # An OPC UA server takes seconds of computing to begin with.
        protocols = ("modbus", "mqtt") if given.quick else ("modbus", "mqtt", "opcua")
        file = line_file(place / "line.yaml", model, protocols)
        calm = SimulationSettings(parts=parts, every=every)
        kills = FaultSettings(
            every=2.0 if given.quick else 15.0,
            most=1 if given.quick else None,
            kinds=("kill supervisor",) if given.quick else ("kill child", "kill child", "kill supervisor"),
        )
        rough = SimulationSettings(parts=parts, every=every, faults=kills)
        shifts = {"rough": rough} if given.quick else {"calm": calm, "rough": rough}
        found = [run_simulation(file, test_line, place / shift, each, print) for shift, each in shifts.items()]
        speed: dict[str, float] = {}
        if not given.quick:
            speed["line_pairs_a_second"] = round(line_pairs_a_second(place, model, test_line, parts), 2)
            speed["predict_pairs_a_second"] = round(predict_pairs_a_second(place, model, test_line, parts), 2)
    print(json.dumps({**figures(found), **speed}))


def figures(shifts: Sequence[SimulationResult]) -> dict[str, object]:
    """Return what counts: latencies of the first shift, what went wrong in all, kills of the last."""
    first, last = shifts[0], shifts[-1]
    return {
        "p50_ms": first.p50_ms,
        "p99_ms": first.p99_ms,
        "p999_ms": first.p999_ms,
        "p99_ready_ms": first.p99_ready_ms,
        "answered_at_deadline": first.answered_at_deadline,
        "lost": sum(each.lost for each in shifts),
        "doubled": sum(each.doubled for each in shifts),
        "wrong_part": sum(each.wrong_part for each in shifts),
        "out_of_order": sum(each.out_of_order for each in shifts),
        "missed": sum(each.missed for each in shifts),
        "late_while_ready": sum(each.late_while_ready for each in shifts),
        "ready_after_kill_s": last.ready_after_kill_s,
        "kills": sum(last.faults.values()),
        "wire_ms": {name: each["p99_wire_ms"] for name, each in first.clients.items()},
        "stopped_within_s": max(each.stopped_within_s for each in shifts),
        "findings": [finding for each in shifts for finding in each.findings],
    }


if __name__ == "__main__":
    main()
