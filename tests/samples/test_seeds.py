import numpy as np

from rgbx.samples import SampleKey, generator, sample_seed


def test_a_seed_is_the_same_for_ever():
    """Sets rendered by earlier versions must stay reproducible."""
    assert sample_seed(0, SampleKey("SP1", 0), "config") == 2081187888216871043


def test_a_seed_depends_on_all_that_names_the_sample():
    key = SampleKey("SP1", 1)
    seeds = {
        sample_seed(0, key, "a"),
        sample_seed(1, key, "a"),
        sample_seed(0, SampleKey("SP2", 1), "a"),
        sample_seed(0, SampleKey("SP1", 2), "a"),
        sample_seed(0, SampleKey("SP11", 1), "a"),
        sample_seed(0, key, "b"),
    }
    assert len(seeds) == 6
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_attempts_draw_independently():
    first, again, other = (generator(5, attempt).random(100) for attempt in (0, 0, 1))
    assert np.array_equal(first, again)
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.4


def test_a_key_names_its_file():
    assert SampleKey("SP3", 42).stem == "SP3/000042"
