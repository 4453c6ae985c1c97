"""Runtimes report to nobody, and threads may use one at once."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[1] / "src"
WATCHED = """
import sys, time

def say(event, arguments):
    if event in {"os.fork", "os.posix_spawn", "subprocess.Popen", "socket.connect", "socket.getaddrinfo"}:
        print(event, flush=True)

sys.addaudithook(say)
from rgbx.extras import import_onnxruntime, import_openvino

%s()
time.sleep(0.5)
"""


@pytest.mark.parametrize("runtime", ["import_openvino", "import_onnxruntime"])
def test_a_runtime_reports_to_nobody_and_forks_no_process(runtime, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name not in {"CI", "TF_BUILD", "JENKINS_URL"}}
    environment |= {"HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}
    command = [sys.executable, "-c", WATCHED % runtime]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr
    assert not list(tmp_path.iterdir())


FIRST_USES = """
import faulthandler, sys, threading
from rgbx.extras import import_openvino

openvino = import_openvino()
sys.setswitchinterval(1e-6)
faulthandler.dump_traceback_later(20, exit=True)
together = threading.Barrier(4)

def use():
    together.wait()
    openvino.Type(openvino.Type.f32.to_dtype())

threads = [threading.Thread(target=use) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_threads_that_use_openvino_first_do_not_wait_for_each_other_forever():
    ran = subprocess.run([sys.executable, "-c", FIRST_USES], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr


def test_runtimes_are_imported_in_one_place():
    direct = re.compile(r"^\s*(import|from) (openvino|onnxruntime)\b", re.MULTILINE)
    assert [path.name for path in SOURCES.rglob("*.py") if direct.search(path.read_text(encoding="utf-8"))] == [
        "extras.py"
    ]
