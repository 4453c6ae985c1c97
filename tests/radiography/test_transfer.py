import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rgbx.errors import InputError
from rgbx.radiography.scans import ScanLevels
from rgbx.radiography.transfer import NO_JITTER, TransferFunction, TransferJitter, draw_transfer, read_seeds

LEVELS = ScanLevels(air=-1000.0, dense=9000.0)


def test_five_seeds_are_shipped():
    assert len(read_seeds()) == 5


def test_without_jitter_a_seed_is_put_on_the_scale_of_the_scans():
    seed = read_seeds()["hard"]
    transfer = draw_transfer(np.random.default_rng(0), "hard", seed, NO_JITTER, LEVELS)
    for (relative, attenuation), point in zip(seed.points, transfer.points, strict=True):
        assert point == pytest.approx((-1000 + 10000 * relative, attenuation))
        assert transfer(np.array([point[0]])) == pytest.approx([attenuation])
    assert not transfer(np.array([-5000.0, -1000.0])).any()
    assert transfer(np.array([1e9])) == pytest.approx([seed.points[-1][1]])


@given(st.integers(0, 2**32), st.sampled_from(list(read_seeds())))
def test_jittered_seeds_stay_well_formed(number, name):
    wild = TransferJitter(point_intensity=(0.3, 3.0))
    drawn = draw_transfer(np.random.default_rng(number), name, read_seeds()[name], wild, LEVELS)
    assert drawn == TransferFunction.model_validate_json(drawn.model_dump_json())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("mine: {about: x, points: [[0, 0], [0.5, 0.1], [0.4, 0.2]]}", "must rise"),
        ("mine: {about: x, points: [[0, 0.1], [0.5, 0.1]]}", "the first must be 0"),
        ("mine: {about: x, points: [[-0.1, 0], [0.5, 0.1]]}", "must not be below 0"),
        ("mine: {about: x, points: [[0, 0]]}", "at least 2"),
        ("mine: 3", "points"),
        ("[]", "holds no transfer functions"),
        ("{", "not valid YAML"),
    ],
)
def test_a_faulty_seed_is_named(tmp_path, text, problem):
    path = tmp_path / "seeds.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"seeds\.yaml .*{problem}"):
        read_seeds(path)
