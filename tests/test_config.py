import json
import pickle
from copy import deepcopy

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, model_validator

from rgbx.config import Config, Range, load_config, read_yaml
from rgbx.errors import ConfigError, InputError, RgbxError
from rgbx.models.stream_config import ICamConfig
from rgbx.training.settings import FusionTraining, stream_training
from rgbx.trust.sorting import TrustConfig
from rgbx_render.radiography.randomisation import XrayRandomisation


class Inner(Config):
    angle: Range = (0.0, 1.0)

    @model_validator(mode="after")
    def _not_both_ninety(self):
        if self.angle == (90, 90):
            raise ValueError("both ends are 90")
        return self


class Outer(Config):
    name: str = "a"
    inner: Inner = Inner()


def test_overrides_beat_the_file_which_beats_the_base(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("name: from-file\ninner: {angle: [1, 2]}\n")

    loaded = load_config(Outer, file, ["inner.angle=[3, 4]"], base=Outer(name="base"))

    assert loaded == Outer(name="from-file", inner=Inner(angle=(3.0, 4.0)))


class Whole(Config):
    outer: Outer = Outer(inner=Inner(angle=(0.25, 0.5)))


def test_a_key_within_a_group_leaves_the_others_as_the_default_has_them(tmp_path):
    """Which may be another than the group's own class has."""
    file = tmp_path / "whole.yaml"
    file.write_text("outer: {name: b}")
    for changed in (load_config(Whole, overrides=["outer.name=b"]), load_config(Whole, file)):
        assert changed.outer.name == "b"
        assert changed.outer.inner.angle == (0.25, 0.5)


def test_digest_changes_with_any_setting():
    assert Outer().digest() == Outer().digest()
    assert Outer().digest() != Outer(inner=Inner(angle=(0.0, 2.0))).digest()


@pytest.mark.parametrize(
    ("override", "named"),
    [("colour=red", "colour"), ("inner.angle=[2, 1]", "inner.angle"), ("inner.angle=wide", "inner.angle")],
)
def test_faulty_settings_are_named(override, named):
    with pytest.raises(ConfigError, match=named.replace(".", r"\.")):
        load_config(Outer, overrides=[override])


class Curves(Config):
    curves: dict[str, Inner] = Field(default_factory=lambda: {"own": Inner()})


def test_a_mapping_that_is_no_group_is_replaced_as_a_whole(tmp_path):
    """Transfer functions of one's own are not added to those of rgbx."""
    (tmp_path / "curves.yaml").write_text("curves: {mine: {angle: [1, 2]}}")
    mine = {"mine": Inner(angle=(1, 2))}
    assert load_config(Curves, tmp_path / "curves.yaml").curves == mine
    assert load_config(Curves, overrides=["curves={mine: {angle: [1, 2]}}"]).curves == mine
    assert Curves().updated({"curves": mine}).curves == mine
    assert load_config(Curves, overrides=["curves.own.angle=[2, 3]"]).curves == {"own": Inner(angle=(2, 3))}


def test_keys_that_are_numbers_are_kept(tmp_path):
    class Labels(Config):
        names: dict[int, str] = Field(default_factory=dict)

    (tmp_path / "labels.yaml").write_text("names: {1: copper, 2: steel}")
    assert load_config(Labels, tmp_path / "labels.yaml").names == {1: "copper", 2: "steel"}


def test_an_override_that_is_no_yaml_is_refused():
    with pytest.raises(ConfigError, match=r"'inner\.angle=\[0, 1' has a value that is not valid YAML"):
        load_config(Outer, overrides=["inner.angle=[0, 1"])


def test_an_override_without_a_value_is_refused():
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        load_config(Outer, overrides=["name"])


@pytest.mark.parametrize("content", [None, "- a\n- b\n", "a: [1"])
def test_faulty_files_are_named(tmp_path, content):
    file = tmp_path / "c.yaml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InputError, match=r"c\.yaml"):
        load_config(Outer, file)


def test_a_file_with_a_faulty_setting_is_named(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("colour: red\n")
    with pytest.raises(ConfigError, match=r"c\.yaml.*colour"):
        load_config(Outer, file)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("size: 1\nsize: 2\n", "says 'size' twice (line 2): keep one of them"),
        ("inner: {angle: [1, 2], angle: [3, 4]}\n", "says 'angle' twice (line 1)"),
        ("materials: {1: tin, 0x1: gold}\n", "says '0x1' twice"),
        ("a: [{b: 1, b: 1}]\n", "says 'b' twice"),
        ("a: &a {b: 1}\nc: {<<: *a}\n", "merges mappings with '<<' (line 2): write their keys out"),
        ("? {a: 1}\n: 1\n", "is not valid YAML: correct it"),
        ("2001-13-01: 1\n", "is not valid YAML: correct it"),
        (f"a: {'[' * 600}\n", "is not valid YAML: correct it"),
    ],
    ids=["top", "within", "numbers", "list", "merge", "no key", "no date", "deep"],
)
def test_what_yaml_would_pass_over_is_refused(content, problem, tmp_path):
    (tmp_path / "c.yaml").write_text(content)
    with pytest.raises(InputError) as caught:
        read_yaml(tmp_path / "c.yaml")
    assert f"c.yaml {problem}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_setting_with_a_key_twice_is_refused():
    with pytest.raises(ConfigError, match=r"'inner=\{angle: 1, angle: 2\}' says 'angle' twice .*: keep one of them"):
        load_config(Outer, None, ["inner={angle: 1, angle: 2}"])


BASES = [stream_training("xray"), FusionTraining(), TrustConfig(), ICamConfig(), XrayRandomisation()]
TEXT = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=8)
"""What JSON escapes in one piece: YAML does not put two together."""
plain = st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats(width=32) | TEXT
values = plain | st.lists(plain, max_size=3)


@settings(deadline=None)
@given(st.data())
def test_a_wrong_value_raises_one_sentence_the_same_however_it_is_given(data):
    base = data.draw(st.sampled_from(BASES))
    key = data.draw(st.sampled_from([*type(base).model_fields, "colour"]))
    text = json.dumps(data.draw(values))
    value = yaml.safe_load(text)

    def refusal(make):
        try:
            return make()
        except RgbxError as error:
            assert "\n" not in str(error)
            return str(error)

    kind, rest = type(base), {name: getattr(base, name) for name in type(base).model_fields}
    typed = refusal(lambda: load_config(kind, overrides=[f"{key}={text}"], base=base))
    assert typed == refusal(lambda: kind(**{**rest, key: value}))
    assert typed == refusal(lambda: kind.model_validate({**rest, key: value}))
    assert typed == refusal(lambda: base.updated({key: value}))


def test_faults_of_models_within_keep_their_place():
    said = r"Outer has settings that cannot be used \('inner\.angle': value error, the low end 2\.0 is above"
    for make in (
        lambda: Outer(inner={"angle": (2, 1)}),
        lambda: Outer.model_validate({"inner": {"angle": (2, 1)}}),
        lambda: Outer.model_validate_json('{"inner": {"angle": [2, 1]}}'),
        lambda: Outer().updated({"inner.angle": (2, 1)}),
    ):
        with pytest.raises(ConfigError, match=said):
            make()


def test_faults_of_a_whole_model_name_no_key():
    with pytest.raises(ConfigError, match=r"\(value error, both ends are 90\); it knows: angle\."):
        Inner(angle=(90, 90))
    with pytest.raises(ConfigError, match=r"\(invalid JSON: EOF"):
        Inner.model_validate_json('{"angle": [1')


def test_a_model_made_within_a_validator_says_its_own_fault():
    class Holder(Config):
        held: Inner

        @model_validator(mode="before")
        @classmethod
        def _made(cls, content):
            return {"held": Inner(**content)}

    with pytest.raises(ConfigError, match=r"Inner has settings that cannot be used \('angel'"):
        Holder(angel=3)


def test_copies_stay_equal():
    outer = Outer(inner=Inner(angle=(2.0, 3.0)))
    assert pickle.loads(pickle.dumps(outer)) == deepcopy(outer) == outer.model_copy() == outer


def test_a_wrong_value_is_a_value_error():
    with pytest.raises(ValueError, match="colour"):
        Outer(colour="red")


@pytest.mark.parametrize("text", ["caf\udce9", "\ud83d\ude00"])
def test_text_that_is_no_utf_8_is_refused_in_a_sentence(text):
    for attempt in (
        lambda: load_config(Outer, None, [f"name={text}"]),
        lambda: load_config(Outer, None, [f"{text}=1"]),
        lambda: load_config(Outer, None, options={"inner.angle": [text, 1]}),
        lambda: Outer().updated({"name": text}),
        lambda: Outer(name=text),
    ):
        with pytest.raises(ConfigError) as caught:
            attempt()
        assert "is no UTF-8" in str(caught.value)
        str(caught.value).encode()
