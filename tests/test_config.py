import pytest

from rgbx.config import Config, Range, load_config
from rgbx.errors import ConfigError, InputError


class Inner(Config):
    angle: Range = (0.0, 1.0)


class Outer(Config):
    name: str = "a"
    inner: Inner = Inner()


def test_overrides_beat_the_file_which_beats_the_base(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("name: from-file\ninner: {angle: [1, 2]}\n")

    loaded = load_config(Outer, file, ["inner.angle=[3, 4]"], base=Outer(name="base"))

    assert loaded == Outer(name="from-file", inner=Inner(angle=(3.0, 4.0)))


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
