import pytest
from dotted import DOTS, HEADER, KEYS, contents
from hypothesis import given
from hypothesis import strategies as st

from rgbx.errors import ConfigError, InputError
from rgbx.samples import WHOLE, SampleSet, Shard, choose_executor, render_samples
from rgbx.samples.shards import absent_shards


def render(folder, shard=WHOLE):
    return render_samples(SampleSet.create(folder, HEADER, shard), KEYS, DOTS, choose_executor(0))


@pytest.fixture
def whole(tmp_path):
    assert render(tmp_path / "whole")
    return contents(tmp_path / "whole")


@given(st.integers(1, 50), st.integers(0, 1000))
def test_every_sample_belongs_to_one_shard(count, number):
    assert sum(Shard(i, count).has(number) for i in range(1, count + 1)) == 1


@pytest.mark.parametrize("text", ["0/4", "5/4", "4", "a/b", "1/0", "-1/4", "1/4/2", ""])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(ConfigError, match=rf"'{text}' is no shard: write --shard i/N"):
        Shard.parse(text)


def test_a_shard_reads_back():
    assert Shard.parse("2/4") == Shard(2, 4)
    assert str(Shard.parse("2/4")) == "2/4"


def test_shards_in_one_folder_give_the_same_set_in_any_order(tmp_path, whole):
    out = tmp_path / "x"
    assert not render(out, Shard(3, 3))
    with pytest.raises(InputError, match=r"is not finished, shards 1/3, 2/3 are missing: render them with --shard"):
        SampleSet.open(out)
    assert not render(out, Shard(1, 3))
    assert not render(out, Shard(1, 3)), "given again, it is still there"
    assert render(out, Shard(2, 3))
    assert contents(out) == whole
    assert render(out, Shard(1, 3)), "nothing is left to do"
    assert contents(out) == whole


def test_a_shard_that_was_begun_is_missing_still(tmp_path, whole):
    out = tmp_path / "x"
    assert not render(out, Shard(1, 2))
    (out / "journal-2-of-2.jsonl").write_text((out / "shard-1-of-2.jsonl").read_text()[:30])
    with pytest.raises(InputError, match="shards 2/2 are missing"):
        SampleSet.open(out)
    assert render(out, Shard(2, 2))
    assert contents(out) == whole


def test_an_image_lost_from_a_complete_shard_is_rendered_again(tmp_path, whole):
    out = tmp_path / "x"
    assert not render(out, Shard(1, 2))
    (out / "A/000002.png").unlink()
    assert not render(out, Shard(1, 2))
    assert render(out, Shard(2, 2))
    assert contents(out) == whole


def test_a_run_of_the_whole_set_fills_the_gaps_that_shards_left(tmp_path, whole):
    out = tmp_path / "x"
    render(out, Shard(1, 4))
    render(out, Shard(3, 4))
    assert render(out)
    assert contents(out) == whole


def test_shards_go_on_with_an_interrupted_run_of_the_whole_set(tmp_path, whole):
    out = tmp_path / "x"
    samples = SampleSet.create(out, HEADER)
    for result in choose_executor(0).run(DOTS, KEYS[:5]):
        (out / result.record.file_name).parent.mkdir(exist_ok=True)
        (out / result.record.file_name).write_bytes(result.image)
        samples.add(result.record)
    assert not render(out, Shard(1, 2))
    assert render(out, Shard(2, 2))
    assert contents(out) == whole


def test_another_number_of_shards_is_refused(tmp_path):
    render(tmp_path / "x", Shard(1, 2))
    with pytest.raises(InputError, match=r"is being rendered in 2 shards, not 3: go on with the same number"):
        render(tmp_path / "x", Shard(2, 3))


def test_more_shards_than_images_of_a_class_do_no_harm(tmp_path, whole):
    assert [render(tmp_path / "x", Shard(number, 7)) for number in range(1, 8)] == [False] * 6 + [True]
    assert contents(tmp_path / "x") == whole


def test_a_machine_that_ends_while_another_finishes_finds_all_in_order(tmp_path, whole, monkeypatch):
    """The other machine writes metadata.jsonl and removes the journals after this one has looked through them."""
    out = tmp_path / "x"
    render(out, Shard(1, 2))
    slow = SampleSet.create(out, HEADER, Shard(2, 2))
    for result in choose_executor(0).run(DOTS, slow.missing(KEYS, ".png")):
        (out / result.record.file_name).write_bytes(result.image)
        slow.add(result.record)

    opened = SampleSet._opened

    def overtaken(self):
        monkeypatch.setattr(SampleSet, "_opened", opened)
        assert SampleSet.create(out, HEADER).finish()
        return opened(self)

    monkeypatch.setattr(SampleSet, "_opened", overtaken)
    assert slow.finish()
    assert len(slow) == len(KEYS)
    assert contents(out) == whole


def test_absent_shards():
    assert absent_shards([]) == []
    assert absent_shards([Shard(2, 3)]) == [Shard(1, 3), Shard(3, 3)]
    assert absent_shards([Shard(1, 2), Shard(2, 2)]) == []
