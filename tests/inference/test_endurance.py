"""Thousands of devices in a row: each is answered once, and the memory stays as it is."""

import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from rgbx.inference import Predictor
from rgbx.inference.arrivals import Pairing, arrivals_in
from rgbx.inference.results import ResultLog, answer_all, read_results
from tiny_bundle import write_exported_bundle

MORE_MEGABYTES = 16


def resident_megabytes() -> float:
    """Return what of this process is in memory (Linux)."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def megabytes_more(bundle: Path, folder: Path, log: Path, settled: int) -> float:
    """Answer all devices in a folder; return how much memory was taken after the first ``settled``."""
    devices = arrivals_in(folder, ("xray",), Pairing())
    before = 0.0
    for number, _ in enumerate(answer_all(Predictor.load(bundle, "onnx"), devices, ResultLog(log)), start=1):
        if number == settled:
            before = resident_megabytes()
    return resident_megabytes() - before


@pytest.mark.parametrize(("count", "settled"), [(300, 100), pytest.param(10_000, 1000, marks=pytest.mark.slow)])
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the memory in use from Linux's /proc")
def test_predictions_in_a_row_fill_no_memory(
    count: int, settled: int, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bundle, folder = write_exported_bundle(tmp_path / "bundle", tmp_path_factory), tmp_path / "images"
    folder.mkdir()
    first = folder / "0_xray.png"
    cv2.imwrite(str(first), np.random.default_rng(0).integers(0, 65535, (40, 50)).astype(np.uint16))
    for number in range(1, count):
        (folder / f"{number}_xray.png").hardlink_to(first)
    log = tmp_path / "line.jsonl"
    # A process of its own: what other tests left in this one's heap may be returned, or spread, meanwhile.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(megabytes_more, bundle, folder, log, settled).result() < MORE_MEGABYTES
    answered = Counter(result.part_id.id for result in read_results(log))
    assert answered == {str(number): 1 for number in range(count)}
