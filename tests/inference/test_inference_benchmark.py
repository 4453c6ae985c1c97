import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "inference.py"


@pytest.mark.slow
def test_the_benchmark_of_inference_runs(tmp_path: Path) -> None:
    options = ["--quick", "--backbone", "test_resnet", "--size", "64", "--cache", str(tmp_path)]
    command = [sys.executable, str(BENCHMARK), *options]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    result = json.loads(ran.stdout.splitlines()[-1])
    assert result["speedup_to_eager_fp32"] > 0
    assert result["pair_to_stream"] > 0
    assert result["loop_overhead"] > -1
    assert set(result["images_per_second"]) == {"latency", "throughput"}
    assert result["ms"]["openvino f32"]["least"] <= result["ms"]["openvino f32"]["median"]
