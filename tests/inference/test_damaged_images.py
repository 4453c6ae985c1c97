"""Whatever happened to an image, it is refused by name or predicted; nothing crashes, nothing fills the memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from damaged_images import damaged_images, valid_images
from tiny_bundle import write_untrained_bundle

MORE_MEMORY = 1.5e9
PREDICT_EACH = """
import json, resource, sys
from pathlib import Path
from rgbx.datasets.acquisition import acquisition_of
from rgbx.errors import InputError
from rgbx.inference import Predictor

def peak():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

predictor = Predictor.load(sys.argv[1], "torch")
for folder in sys.argv[2:]:
    before, refused, predicted, wrong = peak(), 0, 0, []
    for path in sorted(Path(folder).iterdir()):
        for modality in ("rgb", "xray"):
            try:
                predictor.predict(**{modality: path})
                predicted += 1
            except InputError as error:
                refused += 1
                if str(path) not in str(error):
                    wrong.append(f"{path.name}: {error}")
            except Exception as error:
                wrong.append(f"{path.name}: {type(error).__name__}: {error}")
        try:
            acquisition_of(path)
        except InputError:
            pass
        except Exception as error:
            wrong.append(f"{path.name}, header: {type(error).__name__}: {error}")
    print(json.dumps({"refused": refused, "predicted": predicted, "wrong": wrong, "more": peak() - before}))
"""


@pytest.mark.parametrize("count", [8, pytest.param(500, marks=pytest.mark.slow)])
def test_damaged_images_are_refused_by_name_or_predicted(count: int, tmp_path: Path) -> None:
    bundle = write_untrained_bundle(tmp_path / "bundle")
    sound, damaged = tmp_path / "sound", tmp_path / "damaged"
    sound.mkdir()
    damaged.mkdir()
    images = valid_images(sound)
    assert len(damaged_images(images, damaged, count)) == count
    of_damaged, of_sound = _predict_each(bundle, damaged, sound)
    assert of_damaged["wrong"] == []
    assert of_damaged["refused"] + of_damaged["predicted"] == 2 * count
    assert of_damaged["refused"] > count
    assert of_damaged["more"] < MORE_MEMORY
    assert (of_sound["predicted"], of_sound["wrong"]) == (len(images), [])


def _predict_each(bundle: Path, *folders: Path) -> list[dict]:
    command = [sys.executable, "-c", PREDICT_EACH, str(bundle), *map(str, folders)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return [json.loads(line) for line in ran.stdout.splitlines()[-len(folders) :]]
