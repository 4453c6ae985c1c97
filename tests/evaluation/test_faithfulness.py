import cv2
import numpy as np
import pytest

from rgbx.evaluation.faithfulness import BLUR, faithfulness

SIDE = 32
PART = (slice(4, 12), slice(18, 26))
"""A sixteenth of the image, in which the answer lies."""


def image(channels=0):
    pixels = np.random.default_rng(0).integers(0, 2, (SIDE, SIDE), np.uint8) * 255
    return np.repeat(pixels[..., None], channels, 2) if channels else pixels


def contrast_of_the_part(images):
    """A classifier that is the surer the sharper the part is."""
    part = images[:, *PART].reshape(len(images), -1)
    return part.std(axis=1) / 127.5


def heat(at=PART):
    found = np.zeros((SIDE, SIDE))
    found[at] = 1
    return found


@pytest.mark.parametrize("channels", [0, 3])
def test_the_right_map_beats_every_other(channels):
    right = faithfulness(contrast_of_the_part, image(channels), heat())
    wrong = faithfulness(contrast_of_the_part, image(channels), heat((slice(20, 28), slice(2, 10))))
    flat = faithfulness(contrast_of_the_part, image(channels), np.zeros((4, 4)))
    assert right.deletion < flat.deletion < wrong.deletion
    assert right.insertion > flat.insertion > wrong.insertion


def test_a_map_that_names_just_the_part_is_scored_exactly():
    """The part is one of sixteen steps: with it gone, or back, the curve has its end value from the first step on."""
    sharp, soft = 1.0, float(contrast_of_the_part(_blurred()[None])[0])
    found = faithfulness(contrast_of_the_part, image(), heat())
    assert found.deletion == pytest.approx(soft + (sharp - soft) / 32, abs=0.01)
    assert found.insertion == pytest.approx(sharp - (sharp - soft) / 32, abs=0.01)


def test_an_answer_that_never_changes_scores_the_same_both_ways():
    found = faithfulness(lambda images: np.full(len(images), 0.7), image(), heat())
    assert found == pytest.approx((0.7, 0.7))


def _blurred():
    return cv2.GaussianBlur(image(), (0, 0), BLUR * SIDE)
