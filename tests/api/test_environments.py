"""Five lines each, in the environment that they claim: the base install, ``rgbx[render]``, ``rgbx[train]``."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from lacking import preamble, run_python
from learning_sets import write_set
from rgbx.extras import INSTALLS
from tiny_bundle import write_exported_bundle

BASE: set[str] = set()
RENDER = set(INSTALLS["rgbx[render]"]) - {"torch"}  # which only the filter of whole sets needs
TRAIN = set(INSTALLS["rgbx[train]"]) | {"torchvision"}  # which timm imports


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    bundle = write_exported_bundle(tmp_path_factory.mktemp("model") / "bundle", tmp_path_factory)
    rng = np.random.default_rng(0)
    cv2.imwrite(str(bundle / "rgb.png"), rng.integers(0, 255, (50, 40, 3), np.uint8))
    cv2.imwrite(str(bundle / "xray.png"), rng.integers(0, 65535, (40, 50), np.uint16))
    return bundle


def _run(code: str, packages: set[str], *arguments: Path | str) -> str:
    ran = run_python(f"{preamble(packages)}\n{code}", *arguments)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_base_install_predicts(model):
    code = """
import rgbx
predictor = rgbx.load(sys.argv[1])
prediction = predictor.predict(rgb=sys.argv[1] + "/rgb.png", xray=sys.argv[1] + "/xray.png")
print(prediction.label, sum(prediction.probabilities.values()), prediction.decision)
assert "torch" not in sys.modules
"""
    label, total, decision = _run(code, BASE, model).split()
    assert label in ("A", "B", "C")
    assert float(total) == pytest.approx(1)
    assert decision == "None"


def test_the_base_install_reads_sets(tmp_path):
    code = """
import rgbx
samples = rgbx.open_set(sys.argv[1])
print(len(samples), *samples.header.classes, *{record.label for record in samples})
"""
    said = _run(code, BASE, write_set(tmp_path / "set", "xray", per_class=2)).split()
    assert said[:4] == ["6", "A", "B", "C"]
    assert set(said[4:]) == {"A", "B", "C"}


def test_render_makes_radiographs():
    code = """
import numpy as np
import rgbx
volume = np.zeros((12, 40, 30)); volume[3:9, 5:35, 5:25] = 1
drr = rgbx.radiograph(volume, spacing_mm=0.5, size=64)
random = rgbx.random_radiograph(volume, spacing_mm=0.5, seed=7, size=64)
print(drr.image.dtype, drr.image.shape, drr.transmission.min() < 0.7, random.draw.noise_seed > 0)
"""
    assert _run(code, RENDER).strip() == "uint16 (64, 64) True True"


def test_train_makes_networks_and_trains_them(tmp_path):
    code = """
import rgbx, torch
stream = rgbx.create_stream("test_resnet", classes=3, iterations=2, input_size=32)
print(tuple(stream(torch.rand(2, 3, 64, 64)).cams.shape[:2]))
run = rgbx.train_stream(sys.argv[1], sys.argv[2], epochs=1, warmup_epochs=0, restarts=0, settings={
    "stream.backbone": {"name": "test_resnet", "weights": "none", "frozen_stages": 0}, "stream.icam.input_size": 32})
print(rgbx.load(run).classes)
"""
    said = _run(code, TRAIN, write_set(tmp_path / "set", "xray", per_class=2, units=2), tmp_path / "run").splitlines()
    assert said == ["(2, 2)", "('A', 'B', 'C')"]


NEEDS = {
    "[train]": (
        'create_stream("resnet18", classes=10)',
        "predictor_of({}, classes=[])",
        'train_stream("a", "b")',
        'train_fusion(rgb="a", xray="b", rgb_sets="c", xray_sets="d", out="e")',
        'evaluate("a")',
    ),
    "[render]": (
        "radiograph([], 1)",
        "random_radiograph([], 1)",
        "render_draw([], 1, {})",
        'open_library("a")',
        'render_radiographs("a", "b")',
        'render_photographs("a", "b")',
    ),
}


def test_the_base_install_says_what_to_install():
    code = """
import rgbx
for call in sys.argv[1:]:
    try:
        eval("rgbx." + call)
    except rgbx.MissingToolError as error:
        print(error)
"""
    for target, calls in NEEDS.items():
        said = _run(code, BASE, *calls).splitlines()
        assert len(said) == len(calls)
        for each in said:
            assert each.endswith(f" is not installed: run 'pip install rgbx{target}'.")
