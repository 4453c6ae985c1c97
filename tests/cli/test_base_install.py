"""The base install: it predicts with an exported bundle, and names the extra that any other verb needs."""

import ast
import json
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from lacking import NAMELESS, OPTIONAL, preamble
from rgbx.extras import INSTALLS, optional_packages
from rgbx.inference import Predictor
from tiny_bundle import write_exported_bundle

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MODULES = {
    "pydantic-core": "pydantic_core",
    "opencv-python-headless": "cv2",
    "pyyaml": "yaml",
    "pillow": "PIL",
    "argon2-cffi": "argon2",
}
"""What Python calls a package, where pip calls it by another name."""

REFUSE_HEAVY = f"{preamble()}\nfrom rgbx.cli import main\nmain()\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    bundle = write_exported_bundle(tmp_path_factory.mktemp("model") / "bundle", tmp_path_factory)
    rng = np.random.default_rng(0)
    cv2.imwrite(str(bundle / "rgb.png"), rng.integers(0, 255, (50, 40, 3), np.uint8))
    cv2.imwrite(str(bundle / "xray.png"), rng.integers(0, 65535, (40, 50), np.uint16))
    return bundle


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder that is gone after the test: pytest would keep three environments."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _run(python: Path | str, *arguments: Path | str) -> subprocess.CompletedProcess[str]:
    command = [str(python), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def _predict(model: Path, runtime: str) -> tuple[str | Path, ...]:
    images = ("--rgb", model / "rgb.png", "--xray", model / "xray.png")
    return ("predict", model, *images, "--runtime", runtime, "--json")


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_predicting_takes_none_of_the_extras(model: Path, runtime: str) -> None:
    ran = _run(sys.executable, "-c", REFUSE_HEAVY, *_predict(model, runtime))
    assert ran.returncode == 0, ran.stderr
    expected = Predictor.load(model, "torch").predict(model / "rgb.png", model / "xray.png")
    assert json.loads(ran.stdout)["probabilities"] == pytest.approx(expected.probabilities, abs=1e-4)


def test_help_takes_none_of_the_extras() -> None:
    ran = _run(sys.executable, "-c", REFUSE_HEAVY, "--help")
    assert ran.returncode == 0, ran.stderr
    assert "train" in ran.stdout


@pytest.mark.parametrize(
    ("verb", "extra"),
    [
        ("train xray --data {0} --out {0}/out", "train"),
        ("train fusion --rgb {0} --xray {0} --rgb-data {0} --xray-data {0} --out {0}/out", "train"),
        ("predict {0} --rgb {0}/rgb.png --runtime torch", "train"),
        ("evaluate {0} --xray {0} --out {0}/out", "train"),
        ("explain {0} --rgb {0}/rgb.png --out {0}/out", "train"),
        ("export {0}", "train"),
        ("devices check {0}", "render"),
        ("render xray {0} --out {0}/out", "render"),
        ("render rgb {0} --out {0}/out", "render"),
        ("scan {0} --out {0}/out", "render"),
        ("demo --out {0}/out", "train"),
    ],
)
def test_other_verbs_name_the_extra_that_they_need(model: Path, verb: str, extra: str) -> None:
    ran = _run(sys.executable, "-c", REFUSE_HEAVY, *verb.format(model).split())
    assert ran.returncode == 2, ran.stderr
    assert f"is not installed: run 'pip install rgbx[{extra}]'." in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_what_is_missing_besides_is_no_users_business() -> None:
    with pytest.raises(ModuleNotFoundError, match="rgbx_nowhere"), optional_packages():
        import rgbx_nowhere  # noqa: F401


def test_every_extra_brings_the_packages_that_it_is_named_for() -> None:
    for target, packages in INSTALLS.items():
        extra = target.removeprefix("rgbx").strip("[]")
        listed = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
        pip_names = {requirement.split(">")[0] for requirement in listed}
        names = {MODULES.get(name, name).replace("-", "_") for name in pip_names}
        assert set(packages) <= names, target


def test_every_import_is_of_the_base_or_named_with_its_extra() -> None:
    base = {requirement.split(">")[0] for requirement in PROJECT["dependencies"]}
    known = {MODULES.get(name, name) for name in base} | {each for packages in INSTALLS.values() for each in packages}
    elsewhere = {
        "rgbx",
        "rgbx_render",
        "rgbx_line",
        "rgbx_proving",
        "bpy",
        "bmesh",
        "mathutils",
        "ray",
        "vtkmodules",
    }  # these say so themselves
    for source in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            imported = {name.partition(".")[0] for name in names}
            assert imported <= known | elsewhere | sys.stdlib_module_names, source


@pytest.mark.slow
def test_a_fresh_base_install(model: Path, scratch: Path) -> None:
    """What `pip install rgbx` gives, in an environment of its own (0.8 GB)."""
    venv.create(scratch / "venv", with_pip=True)
    python = scratch / "venv/bin/python"
    quiet = ("-m", "pip", "--disable-pip-version-check", "--no-cache-dir")
    if _run(python, *quiet, "download", "--no-deps", "--dest", scratch / "reached", "hatchling").returncode:
        pytest.skip("pip reaches no package index")
    installed = _run(python, *quiet, "install", ROOT)
    assert installed.returncode == 0, installed.stderr
    find = f"import importlib.util as u; print([name for name in {sorted(OPTIONAL | NAMELESS)!r} if u.find_spec(name)])"
    assert _run(python, "-I", "-c", find).stdout.strip() == "[]"
    imported = _run(python, "-I", "-c", "import rgbx, rgbx.inference; print(rgbx.__file__)")
    assert imported.stdout.startswith(str(scratch)), imported.stderr
    predicted = _run(python, "-I", "-m", "rgbx", *_predict(model, "onnx"))
    assert predicted.returncode == 0, predicted.stderr
    assert json.loads(predicted.stdout)["label"] in ("A", "B", "C")
    load = "import sys, rgbx; print(rgbx.load(sys.argv[1]).predict(xray=sys.argv[1] + '/xray.png').label)"
    assert _run(python, "-I", "-c", load, model).stdout.strip() in ("A", "B", "C")
    package = Path(imported.stdout.strip()).parent
    assert (package / "py.typed").exists()
    assert (package / "__init__.pyi").exists()
    refused = _run(python, "-I", "-m", "rgbx", "train", "xray", "--data", model, "--out", scratch / "out")
    assert refused.returncode == 2
    assert refused.stderr.strip().endswith(" is not installed: run 'pip install rgbx[train]'.")
