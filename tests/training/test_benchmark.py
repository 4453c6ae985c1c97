import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "training.py"


@pytest.mark.slow
def test_the_benchmark_of_training_runs() -> None:
    command = [sys.executable, str(BENCHMARK), "--quick", "--backbone", "test_efficientnet", "--size", "64"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    result = json.loads(ran.stdout.splitlines()[-1])
    assert {"times_faster", "loading_share"} <= set(result["step"])
    assert result["fast_fusion"]["times_faster"] > 0
