"""Images of a set are prepared as the predictor prepares them."""

import subprocess
import sys

import numpy as np
import pytest

from learning_sets import CLASSES, write_set
from rgbx.errors import InputError
from rgbx.evaluation.predictions import prepare_set
from rgbx.inference import Predictor
from rgbx.inference.streams import open_transforms
from rgbx.samples import SampleSet
from tiny_bundle import write_untrained_bundle


@pytest.mark.parametrize("modality", ["rgb", "xray"])
def test_images_are_as_the_predictor_prepares_them(modality, tmp_path):
    bundle = write_untrained_bundle(tmp_path / "bundle")
    samples = SampleSet.open(write_set(tmp_path / "set", modality, per_class=2, classes=(*CLASSES, "D")))
    images, labels = prepare_set(open_transforms(bundle)[modality], CLASSES, samples)
    predictor = Predictor.load(bundle)
    for image, record in zip(images, samples, strict=True):
        np.testing.assert_array_equal(image, predictor.prepare(modality, samples.path(record)))
    assert labels.tolist() == [0, 0, 1, 1, 2, 2, -1, -1]


def test_images_of_the_other_modality_are_refused(tmp_path):
    bundle = write_untrained_bundle(tmp_path / "bundle")
    samples = SampleSet.open(write_set(tmp_path / "set", "rgb", per_class=1))
    with pytest.raises(InputError, match="is a colour photograph"):
        prepare_set(open_transforms(bundle)["xray"], CLASSES, samples)


def test_preparing_takes_no_torch(tmp_path):
    bundle = write_untrained_bundle(tmp_path / "bundle")
    samples = write_set(tmp_path / "set", "xray", per_class=1)
    code = (
        "import sys; from pathlib import Path; from rgbx.evaluation.predictions import prepare_set; "
        "from rgbx.inference.streams import open_transforms; from rgbx.samples import SampleSet; "
        f"prepare = open_transforms(Path({str(bundle)!r}))['xray']; "
        f"prepare_set(prepare, {CLASSES!r}, SampleSet.open(Path({str(samples)!r}))); "
        "print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
