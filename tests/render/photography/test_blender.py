import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from rgbx.errors import MissingToolError
from rgbx_render.photography import blender as module
from rgbx_render.photography.blender import X_LIBRARIES, Blender, FrameError, find_blender

FAKE_WORKER = """
    import json, os, sys, time
    import numpy as np

    print(json.dumps({"ready": "fake"}), flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        todo, mark = job["do"], job.get("mark")
        if todo.endswith("once") and mark and os.path.exists(mark):
            todo = "render"
        elif mark:
            open(mark, "w").close()
        if todo.startswith("crash"):
            print("out of memory in kernel 7", file=sys.stderr, flush=True)
            os._exit(9)
        if todo.startswith("hang"):
            time.sleep(60)
        if todo.startswith("garble"):
            print("Saved: image", flush=True)
            continue
        if todo == "fail":
            print(json.dumps({"error": "Traceback ...\\nKeyError: 'lights'"}), flush=True)
            continue
        np.save(job["frame"], np.full((2, 2, 3), os.getpid(), np.float32))
        print(json.dumps({"done": job["frame"]}), flush=True)
"""


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(script).strip() + "\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Blender that does as the job says; returns the folder of marks."""
    worker = tmp_path / "fake_worker.py"
    worker.write_text(textwrap.dedent(FAKE_WORKER))
    python = executable(tmp_path / "python-fake", f"#!/bin/sh\nexec {sys.executable} {worker}")
    monkeypatch.setenv("RGBX_BLENDER", str(python))
    return tmp_path


def pid(frame: np.ndarray) -> int:
    return int(frame[0, 0, 0])


def test_a_process_renders_many_frames(fake: Path) -> None:
    with Blender(fake / "scene.py") as blender:
        first = pid(blender.render({"do": "render"}))
        assert pid(blender.render({"do": "render"})) == first != os.getpid()


def test_the_process_ends_with_its_owner(fake: Path) -> None:
    blender = Blender(fake / "scene.py")
    process = pid(blender.render({"do": "render"}))
    os.kill(process, 0)
    del blender
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_the_process_is_replaced_after_its_frames(fake: Path) -> None:
    with Blender(fake / "scene.py", frames_per_process=2) as blender:
        processes = [pid(blender.render({"do": "render"})) for _ in range(5)]
    assert processes[0] == processes[1] != processes[2] == processes[3] != processes[4]


@pytest.mark.parametrize("fault", ["crash once", "garble once", "hang once"])
def test_a_frame_that_goes_wrong_once_is_rendered_in_a_fresh_process(fake: Path, fault: str) -> None:
    with Blender(fake / "scene.py", frame_seconds=2) as blender:
        before = pid(blender.render({"do": "render"}))
        after = pid(blender.render({"do": fault, "mark": str(fake / "mark")}))
    assert after != before


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("crash", "it ended with code 9, and its last words were 'out of memory in kernel 7'"),
        ("garble", "it answered something that is no answer"),
        ("hang", "it took longer than 0.5 s"),
        ("fail", "KeyError: 'lights'"),
    ],
)
def test_a_frame_that_goes_wrong_twice_is_reported_and_the_next_is_fine(fake: Path, fault: str, told: str) -> None:
    with Blender(fake / "scene.py", frame_seconds=0.5) as blender:
        with pytest.raises(FrameError, match=told):
            blender.render({"do": fault})
        blender._frame_seconds = 30
        assert blender.render({"do": "render"}).shape == (2, 2, 3)


def test_closing_ends_the_process(fake: Path) -> None:
    with Blender(fake / "scene.py") as blender:
        process = pid(blender.render({"do": "render"}))
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_blender_executable_may_greet_before_the_worker_speaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = tmp_path / "fake_worker.py"
    worker.write_text(textwrap.dedent(FAKE_WORKER))
    program = executable(
        tmp_path / "blender", f"#!/bin/sh\necho 'Blender 5.0.1 (hash)'\necho '12'\nexec {sys.executable} {worker}"
    )
    monkeypatch.setenv("RGBX_BLENDER", str(program))
    assert find_blender()[1:] == (
        "--background", "--factory-startup", "--python-exit-code", "1", "--python", str(module.WORKER), "--",
    )  # fmt: skip
    with Blender(tmp_path / "scene.py") as blender:
        assert blender.render({"do": "render"}).dtype == np.float32


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("#!/bin/sh\nexit 3", "does not start as Blender .it ended with code 3"),
        ("#!/bin/sh\nsleep 60", "does not start as Blender .it took longer than 1 s"),
        (
            """#!/bin/sh\necho '{"unusable": "libXi.so.6: cannot open shared object file"}'""",
            "libXi.so.6.*apt-get install -y " + " ".join(X_LIBRARIES),
        ),
        ("""#!/bin/sh\necho '{"unusable": "No module named bpy"}'""", "No module named bpy.*pip install"),
    ],
)
def test_a_program_that_is_no_blender_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, told: str
) -> None:
    program = executable(tmp_path / "python3", script)
    monkeypatch.setenv("RGBX_BLENDER", str(program))
    with Blender(tmp_path / "scene.py", start_seconds=1) as blender, pytest.raises(MissingToolError, match=told):
        blender.render({"do": "render"})


def test_the_worker_says_when_its_python_has_no_blender() -> None:
    if subprocess.run([sys.executable, "-c", "import bpy"], capture_output=True, check=False).returncode == 0:
        pytest.skip("this Python has bpy")
    answer = subprocess.run(
        [sys.executable, str(module.WORKER), "scene.py", "1"], capture_output=True, text=True, check=True
    )
    assert answer.stdout.startswith('{"unusable": "No module named')


class TestFinding:
    @pytest.fixture(autouse=True)
    def nowhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("RGBX_BLENDER", raising=False)
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        monkeypatch.setattr(sys, "prefix", str(tmp_path / "project/.venv"))
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")

    def test_none(self) -> None:
        with pytest.raises(MissingToolError, match=r"Blender was not found.*\.venv-blender.*RGBX_BLENDER"):
            find_blender()

    def test_on_the_path(self, tmp_path: Path) -> None:
        program = executable(tmp_path / "bin/blender", "#!/bin/sh")
        assert find_blender()[:2] == (str(program), "--background")

    def test_beside_the_environment_comes_before_the_path(self, tmp_path: Path) -> None:
        executable(tmp_path / "bin/blender", "#!/bin/sh")
        program = executable(tmp_path / "project/.venv-blender/bin/python", "#!/bin/sh")
        assert find_blender() == (str(program), str(module.WORKER))

    def test_the_current_folder_comes_first(self, tmp_path: Path) -> None:
        executable(tmp_path / "project/.venv-blender/bin/python", "#!/bin/sh")
        program = executable(tmp_path / "here/.venv-blender/bin/python", "#!/bin/sh")
        assert find_blender()[0] == str(program)

    def test_the_variable_comes_before_all(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        executable(tmp_path / "here/.venv-blender/bin/python", "#!/bin/sh")
        program = executable(tmp_path / "opt/blender-5.0/blender", "#!/bin/sh")
        monkeypatch.setenv("RGBX_BLENDER", str(program))
        assert find_blender()[0] == str(program)

    def test_a_variable_that_names_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RGBX_BLENDER", "/no/such/blender")
        with pytest.raises(MissingToolError, match="RGBX_BLENDER names '/no/such/blender'"):
            find_blender()
