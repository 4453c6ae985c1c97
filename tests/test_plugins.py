"""A package from outside adds a part at every point: used through the command line, kept by name, missed by name."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from learning_sets import write_set
from rgbx.cli import app
from rgbx.errors import InputError, MissingPluginError
from rgbx.inference import Predictor
from rgbx.models.header import read_bundle_header
from rgbx.models.icam import ICam
from rgbx.samples.sets import find_record
from rgbx_line.drivers.driver import made_driver
from rgbx_line.settings import DriverSettings
from rgbx_render.devices.volume import Volume
from rgbx_render.devices.volume_io import write_volume

SOURCE = '''
from datetime import UTC, datetime

import numpy as np
import torch

from rgbx.models.aggregators import Aggregator
from rgbx.models.windows import WindowPolicy
from rgbx.trust.ood import OodScore
from rgbx_line.drivers.driver import Driver, TakenImage


class Largest(Aggregator):
    def forward(self, features):
        return features.amax(1)


class Corner(WindowPolicy):
    def __init__(self, fraction, left=0.0):
        super().__init__(fraction)
        self.left = left

    def forward(self, cam, size, seen):
        return torch.tensor([self.left, 0.0, self.fraction]).expand(len(cam), 3)


def squared(maps, weights, chosen):
    return (weights[chosen][:, :, None, None] * maps).sum(1) ** 2


def confident(step):
    return -torch.logsumexp(step.output.logits, 1).mean()


DOUBT = OodScore({}, lambda logits: -logits.max(1))


def shadowless():
    return lambda scan, transfer, rays, subsamples: np.linspace(0, 1, rays.shape[0] * rays.shape[1], dtype=np.float32
                                                                 ).reshape(rays.shape)


def lose_screen(parts, config, rng):
    return [part for part in parts if not part.name.startswith("display")], "display lost"


class DarkCamera(Driver):
    def connect(self):
        pass

    def take(self, part_id):
        return TakenImage(np.zeros((32, 32, 3), np.uint8), datetime.now(UTC))


def hello():
    """Say hello.

    From another package.
    """
    print("hello from acme")
'''
ENTRY_POINTS = """
[rgbx.aggregators]
largest = acme:Largest
[rgbx.windows]
corner = acme:Corner
[rgbx.activation_maps]
squared = acme:squared
[rgbx.losses]
confident = acme:confident
[rgbx.ood_scores]
doubt = acme:DOUBT
[rgbx.backends]
shadowless = acme:shadowless
[rgbx.wear]
lose_screen = acme:lose_screen
[rgbx.drivers]
dark = acme:DarkCamera
"""
TINY = [
    "--epochs", "1", "--iterations", "2", "--backbone", "test_efficientnet", "--weights", "none",
    "--set", "batch_size=6", "--set", "warmup_epochs=0", "--set", "restarts=0", "--set", "join_frozen=false",
    "--set", "stream.icam.input_size=32", "--set", "stream.transform.source_size=48",
]  # fmt: skip


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Put a package with plug-ins on the path; what is returned takes it away."""
    site = tmp_path / "site"
    (site / "acme-1.0.dist-info").mkdir(parents=True)
    (site / "acme.py").write_text(dedent(SOURCE))
    (site / "acme-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (site / "acme-1.0.dist-info" / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(site)
    return monkeypatch.undo


def run(*command: str | Path, fails: bool = False) -> str:
    ran = CliRunner().invoke(app, [str(part) for part in command])
    if fails:
        assert ran.exit_code != 0
        return str(ran.exception)
    assert ran.exit_code == 0, (ran.output, ran.exception)
    return ran.output


def train(data: Path, out: Path, *settings: str) -> None:
    run("train", "xray", "--data", data, "--out", out, *TINY, *(part for one in settings for part in ("--set", one)))


@pytest.mark.parametrize(
    ("setting", "missing"),
    [
        (["stream.icam.aggregator=largest"], "aggregator 'largest'"),
        (["stream.icam.window=corner", "stream.icam.window_options={left: 0.25}"], "window policy 'corner'"),
        (["stream.icam.activation_map=squared"], "activation map 'squared'"),
    ],
)
def test_a_stream_trained_with_a_part_needs_it(
    setting: list[str], missing: str, acme: Callable[[], None], tmp_path: Path
) -> None:
    data = write_set(tmp_path / "set", "xray")
    train(data, tmp_path / "run", *setting)
    image = next((data / "A").iterdir())
    prediction = Predictor.load(tmp_path / "run", "torch").predict(xray=image)
    assert Predictor.load(tmp_path / "run", "torch").predict(xray=image).probabilities == prediction.probabilities
    if "corner" in missing:
        left, top, right, bottom = prediction.streams["xray"].views[1].window
        assert (left, top, right, bottom) == (0.25, 0.0, 0.75, 0.5)
    run("predict", tmp_path / "run", "--xray", image)
    acme()
    with pytest.raises(InputError, match=rf"bundle\.json needs the {missing}, which is not installed here: install"):
        read_bundle_header(tmp_path / "run")
    assert missing in run("predict", tmp_path / "run", "--xray", image, fails=True)


def test_a_loss_is_trained_with_but_not_needed_afterwards(acme: Callable[[], None], tmp_path: Path) -> None:
    data = write_set(tmp_path / "set", "xray")
    train(data, tmp_path / "plain")
    train(data, tmp_path / "run", "extra_losses={confident: 0.5}")
    image = next((data / "A").iterdir())
    logits = [
        Predictor.load(tmp_path / name, "torch").predict(xray=image).streams["xray"].logits for name in ("plain", "run")
    ]
    assert not np.allclose(*logits, atol=1e-4), "it has changed the training"
    acme()
    run("predict", tmp_path / "run", "--xray", image)
    said = run(
        "train",
        "xray",
        "--data",
        data,
        "--out",
        tmp_path / "new",
        *TINY,
        "--set",
        "extra_losses={confident: 0.5}",
        fails=True,
    )
    assert "There is no extra loss 'confident': install the package" in said
    assert not (tmp_path / "new").exists()


def test_a_calibration_needs_its_score(acme: Callable[[], None], tmp_path: Path) -> None:
    data = write_set(tmp_path / "set", "xray")
    line = write_set(tmp_path / "line", "xray", seed=5)
    train(data, tmp_path / "run")
    run("calibrate", tmp_path / "run", "--xray", line, "--set", "ood_score=doubt", "--set", "false_sorts=0.3")
    image = next((data / "A").iterdir())
    assert Predictor.load(tmp_path / "run", "torch").predict(xray=image).decision is not None
    acme()
    with pytest.raises(
        InputError, match=r"calibration\.json needs the out-of-distribution score 'doubt', which is not"
    ):
        Predictor.load(tmp_path / "run", "torch")


def test_a_projection_backend_is_part_of_the_record(acme: Callable[[], None], tmp_path: Path) -> None:
    for label in ("A", "B"):
        values = np.zeros((12, 30, 20), np.uint16)
        values[3:9, 5:25, 5:15] = 1000
        write_volume(tmp_path / "library" / label / "1" / "scan.nrrd", Volume(values, (1.0, 1.0, 1.0)))
    options = ["--per-class", "1", "--size", "32", "--workers", "0", "--set", "backend=shadowless"]
    options += [
        "--set",
        "noise_variance=[0,0]",
        "--set",
        "acceptance.keypoints=0",
        "--set",
        "acceptance.detector=corners",
    ]
    options += [
        "--set",
        "acceptance.dark_share=1",
        "--set",
        "background.level=[1,1]",
        "--set",
        "background.gradient=[0,0]",
    ]
    options += ["--set", "acceptance.corners.response=1e-9"]
    run("render", "xray", tmp_path / "library", "--out", tmp_path / "set", *options)
    image = tmp_path / "set" / "A" / "000000.png"
    pixels = cv2.imread(str(image), cv2.IMREAD_UNCHANGED)
    assert find_record(image).draw["backend"] == "shadowless"
    assert np.all(np.diff(pixels.ravel().astype(int)) >= 0), "the ramp that it draws"
    run("render", "xray", tmp_path / "library", "--replay", image, "--out", tmp_path / "again.png")
    assert np.array_equal(cv2.imread(str(tmp_path / "again.png"), cv2.IMREAD_UNCHANGED), pixels)
    acme()
    said = run("render", "xray", tmp_path / "library", "--replay", image, "--out", tmp_path / "no.png", fails=True)
    assert "There is no projection backend 'shadowless': install the package" in said


def test_a_kind_of_wear_happens_on_the_simulated_line(acme: Callable[[], None], tmp_path: Path) -> None:
    run("devices", "family", "sp10", "--out", tmp_path / "phones", "--units", "1", "--classes", "SP1", "--no-scan",
        "--no-mesh", "--workers", "0")  # fmt: skip
    scan = ["scan", tmp_path / "phones", "--views", "1", "--size", "32", "--workers", "0", "--no-rgb"]
    run(*scan, "--out", tmp_path / "line", "--set", "wear.others={lose_screen: 1.0}")
    assert "display lost" in (tmp_path / "line" / "units" / "SP1" / "SP1-001" / "parts.json").read_text()
    acme()
    said = run(*scan, "--out", tmp_path / "other", "--set", "wear.others={lose_screen: 1.0}", fails=True)
    assert "There is no kind of wear 'lose_screen'" in said


def test_a_subclass_of_the_network_is_not_saved_as_something_else(tmp_path: Path) -> None:
    """It would come back as a plain one, and answer otherwise."""
    import torch

    from rgbx.errors import RgbxError
    from rgbx.models.bundle import save_bundle
    from rgbx.models.network import RgbXNetwork
    from rgbx.models.stream_config import ICamConfig, StreamConfig
    from tiny_networks import TinyBackbone

    class Mine(ICam):
        def classify(self, features: torch.Tensor) -> torch.Tensor:
            return -super().classify(features)

    config = StreamConfig(modality="xray", icam=ICamConfig(input_size=32))
    network = RgbXNetwork({"xray": Mine(TinyBackbone(), 2, config.icam)}, fused=False)
    with pytest.raises(RgbxError, match="xray stream is a Mine, which would be loaded as a plain ICam: register"):
        save_bundle(tmp_path / "run", network, ("A", "B"), {"xray": config}, training={}, sources={}, metrics={})
    assert not (tmp_path / "run").exists()


def test_a_line_takes_images_with_a_driver_that_a_package_adds(acme: Callable[[], None]) -> None:
    settings = DriverSettings(name="top", modality="rgb", kind="dark")
    assert made_driver(settings).take("A").pixels.shape == (32, 32, 3)
    acme()
    with pytest.raises(MissingPluginError, match="no driver 'dark'"):
        made_driver(settings)
