import pytest
from dotted import DOTS, HEADER, KEYS, DotRenderer, contents

from rgbx.errors import RgbxError
from rgbx.files import write_text
from rgbx.samples import LostSample, RenderJob, SampleSet, Shard, render_set


class Reader(DotRenderer):
    """Reads the prepared inputs; loses a sample while there is one that must be lost."""

    def __init__(self, inputs, lost=None):
        assert (inputs / "A" / "input.txt").read_text() == "prepared"
        self.lost = lost

    def __call__(self, key):
        if key == self.lost:
            raise LostSample("it slipped")
        return super().__call__(key)


class Kitchen:
    """Prepares inputs, and counts how often it had to."""

    def __init__(self):
        self.cooked = 0
        self.lost = None

    def __call__(self, folder):
        if not (folder / "A" / "input.txt").exists():
            write_text(folder / "A" / "input.txt", "prepared")
            self.cooked += 1
        return RenderJob(Reader, (self.lost,), folder)


@pytest.fixture
def kitchen():
    return Kitchen()


def render(out, prepare, **options):
    return render_set(out, HEADER, KEYS, prepare, suffix=".png", description="rendering", workers=0, **options)


def hidden(folder):
    return [path.name for path in folder.glob(".*")]


def test_a_finished_set_has_its_overview_and_nothing_of_how_it_was_made(tmp_path, kitchen):
    assert len(render(tmp_path / "x", kitchen)) == 10
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == [
        "A", "B", "dataset.json", "metadata.jsonl", "overview.png"
    ]  # fmt: skip
    assert SampleSet.open(tmp_path / "x").header == HEADER
    assert len(render(tmp_path / "x", kitchen)) == 10
    assert kitchen.cooked == 1, "a finished set needs no inputs"


def test_inputs_outlive_a_run_that_was_interrupted(tmp_path, kitchen):
    kitchen.lost = KEYS[3]
    with pytest.raises(RgbxError, match="1 of 10 samples could not be rendered"):
        render(tmp_path / "x", kitchen)
    kitchen.lost = None
    assert len(render(tmp_path / "x", kitchen)) == 10
    assert kitchen.cooked == 1
    assert hidden(tmp_path / "x") == []
    render(tmp_path / "whole", kitchen)
    assert contents(tmp_path / "x") == contents(tmp_path / "whole")


def test_inputs_of_other_settings_are_never_taken_for_ones_own(tmp_path, kitchen):
    out, other = tmp_path / "x", HEADER.updated({"source": "other"})
    with pytest.raises(RgbxError, match="no luck"):
        render_set(out, other, KEYS, _stale, suffix=".png", description="rendering", workers=0)
    assert len(render(out, kitchen)) == 10
    assert hidden(out) == []


def _stale(folder):
    write_text(folder / "A" / "input.txt", "of another library")
    raise RgbxError("no luck")


def test_every_shard_cleans_up_after_itself_and_the_last_after_all(tmp_path, kitchen):
    out = tmp_path / "x"
    assert render(out, kitchen, shard=Shard(1, 2)) is None
    assert hidden(out) == []
    with pytest.raises(RgbxError, match="no luck"):
        render(out, _stale, shard=Shard(2, 2))
    assert len(hidden(out)) == 1
    assert len(render(out, lambda _: DOTS)) == 10
    assert hidden(out) == []
