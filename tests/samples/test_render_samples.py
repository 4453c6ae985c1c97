import pytest
from dotted import DOTS, HEADER, KEYS, DotRenderer, contents

from rgbx.errors import RgbxError
from rgbx.samples import LostSample, RenderJob, SampleSet, choose_executor, render_samples


class Fussy(DotRenderer):
    """Loses one sample."""

    def __call__(self, key):
        if key == KEYS[3]:
            raise LostSample("it slipped.")
        return super().__call__(key)


class Broken(DotRenderer):
    """Fails for good."""

    def __call__(self, key):
        raise RgbxError(f"no {key.stem}: give up.")


@pytest.mark.parametrize("workers", [1, 2])
def test_any_number_of_processes_writes_the_same_bytes(tmp_path, workers):
    for folder, count in (("here", 0), ("pool", workers)):
        samples = SampleSet.create(tmp_path / folder, HEADER)
        render_samples(samples, KEYS, DOTS, choose_executor(count))
    assert contents(tmp_path / "pool") == contents(tmp_path / "here")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_lost_sample_is_said_and_costs_no_other(tmp_path, workers):
    samples = SampleSet.create(tmp_path, HEADER)
    with pytest.raises(RgbxError, match=r"1 of 10 samples could not be rendered \(the first: B/000001: it slipped\)"):
        render_samples(samples, KEYS, RenderJob(Fussy), choose_executor(workers))
    assert SampleSet.create(tmp_path, HEADER).missing(KEYS, ".png") == [KEYS[3]]


@pytest.mark.parametrize("workers", [0, 1])
def test_what_a_renderer_cannot_do_reaches_the_user(tmp_path, workers):
    samples = SampleSet.create(tmp_path, HEADER)
    with pytest.raises(RgbxError, match="no A/000000: give up"):
        render_samples(samples, KEYS, RenderJob(Broken), choose_executor(workers))
