import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rgbx.config import load_config
from rgbx.errors import ConfigError
from rgbx.samples import generator
from rgbx_render.devices.volume import Volume
from rgbx_render.radiography.edits import RANDOM_EDITS, find_parts
from rgbx_render.radiography.randomisation import (
    FIXED_OPEN_BEAM,
    FIXED_PROJECTOR,
    RANDOM_BLUR,
    RANDOM_SCATTER,
    OpenBeam,
    ScanStatistics,
    XrayDraw,
    XrayRandomisation,
    draw_radiograph,
    render_radiograph,
)
from rgbx_render.radiography.scans import prepare_scan
from rgbx_render.radiography.transfer import NO_JITTER


def make_scan():
    values = np.zeros((12, 80, 50), np.uint16)
    values[3:9, 8:72, 8:42] = 2500
    values[4:7, 20:30, 15:25] = 12000
    return prepare_scan(Volume(values, (1.0, 1.0, 1.0)))


SCAN = make_scan()
STATISTICS = ScanStatistics.of([SCAN.description])
ALL_FIXED = XrayRandomisation(
    size=64, projector=FIXED_PROJECTOR, background=FIXED_OPEN_BEAM, noise_variance=(200, 200)
).updated({"transfer.use": "hard", "transfer.jitter": NO_JITTER.model_dump()})


@given(st.integers(0, 2**62))
@settings(max_examples=40)
def test_what_is_drawn_is_within_its_ranges(seed):
    config = XrayRandomisation()
    drawn = draw_radiograph(generator(seed), config, ["a", "b"], STATISTICS)
    knobs, projector = config.projector, drawn.projector
    side_mm = projector.pixel_size * config.size / projector.magnification
    assert knobs.scale[0] <= STATISTICS.diagonal_mm / side_mm * (1 + 1e-9)
    assert STATISTICS.diagonal_mm / side_mm <= knobs.scale[1] * (1 + 1e-9)
    assert knobs.source_distance[0] <= projector.source_to_centre <= knobs.source_distance[1]
    assert abs(drawn.pose.rotation[0]) <= 25
    assert min(abs(drawn.pose.rotation[1]), abs(drawn.pose.rotation[1] - 180)) <= 25
    assert max(abs(drawn.pose.translation[0]), abs(drawn.pose.translation[1])) <= 0.06 * side_mm * (1 + 1e-9)
    assert 0 <= drawn.noise_variance <= 1000
    assert drawn.unit in ("a", "b")


def test_every_knob_can_be_fixed():
    first, second = (draw_radiograph(generator(seed), ALL_FIXED, ["a"], STATISTICS) for seed in (1, 2))
    differences = {name for name in type(first).model_fields if getattr(first, name) != getattr(second, name)}
    assert differences == {"noise_seed", "background"}
    assert np.array_equal(first.background.image(64), second.background.image(64)), "direction of no gradient"


def test_every_knob_is_turned():
    draws = [draw_radiograph(generator(seed), XrayRandomisation(), ["a", "b"], STATISTICS) for seed in range(40)]
    assert {drawn.unit for drawn in draws} == {"a", "b"}
    assert len({drawn.transfer.name for drawn in draws}) == 5
    assert {drawn.pose.rotation[1] > 90 for drawn in draws} == {True, False}
    assert len({drawn.model_dump_json() for drawn in draws}) == 40


def test_a_draw_read_back_from_json_renders_the_same_bytes():
    drawn = draw_radiograph(generator(3), XrayRandomisation(size=48), ["a"], STATISTICS)
    again = XrayDraw.model_validate_json(drawn.model_dump_json())
    assert render_radiograph(again, SCAN).image.tobytes() == render_radiograph(drawn, SCAN).image.tobytes()


def test_noise_has_the_variance_asked_for_on_an_8_bit_scale():
    rendered = render_radiograph(
        draw_radiograph(generator(0), ALL_FIXED.updated({"size": 256}), ["a"], STATISTICS), SCAN
    )
    unclipped = (rendered.noise_free < 0.7) & (rendered.noise_free > 0.3)
    difference = (rendered.image / 65535 - rendered.noise_free)[unclipped] * 255
    assert difference.var() == pytest.approx(200, rel=0.05)
    assert abs(difference.mean()) < 1


def test_without_noise_the_image_is_background_times_transmission():
    config = ALL_FIXED.updated({"noise_variance": (0, 0)})
    rendered = render_radiograph(draw_radiograph(generator(0), config, ["a"], STATISTICS), SCAN)
    assert np.allclose(rendered.image / 65535, 0.9 * rendered.transmission, atol=1e-5)
    assert rendered.image.dtype == np.uint16
    assert rendered.image[0, 0] == round(0.9 * 65535), "open beam"
    assert rendered.image[32, 32] < 0.8 * rendered.image[0, 0], "the unit is in the middle"


def test_the_background_falls_off_from_edge_to_edge():
    image = OpenBeam(level=0.8, gradient=0.5, direction=0.0).image(101)
    assert np.all(np.diff(image[50]) < 0)
    assert np.ptp(image[:, 50]) == 0
    diagonal = OpenBeam(level=0.8, gradient=0.5, direction=45.0).image(101)
    assert diagonal[-1, 0] == pytest.approx(0.8, rel=0.01)
    assert diagonal[0, -1] == pytest.approx(0.4, rel=0.02)


def test_an_unknown_transfer_function_is_refused_with_those_there_are():
    with pytest.raises(
        ConfigError, match="no transfer function 'x-ray': choose from random, battery-transparent, hard"
    ):
        XrayRandomisation().updated({"transfer.use": "x-ray"})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("noise_variance", (-1, 5)),
        ("background.level", (0.5, 1.2)),
        ("projector.magnification", (0.8, 1.2)),
        ("projector.scale", (0, 1)),
        ("transfer.jitter.strength", (-1, 1)),
        ("scatter.ratio", (-0.1, 0.2)),
        ("scatter.width", (0, 0.2)),
        ("blur", (-1, 1)),
        ("edits.shift", (-1, 1)),
    ],
)
def test_impossible_settings_are_refused_before_anything_is_drawn(key, value):
    with pytest.raises(ConfigError, match=rf"'{key}'.* reaches beyond"):
        XrayRandomisation().updated({key: value})


def test_knobs_beyond_the_paper_are_off_unless_asked_for():
    drawn = draw_radiograph(generator(0), XrayRandomisation(), ["a"], STATISTICS)
    assert (drawn.scatter, drawn.blur, drawn.edits) == (None, 0.0, None)


ALL_ON = XrayRandomisation(size=64, scatter=RANDOM_SCATTER, blur=RANDOM_BLUR, edits=RANDOM_EDITS).updated(
    {"edits.probability": 1, "edits.parts": (1, 3)}
)


def test_scatter_blur_and_edits_are_on_record_and_render_the_same_bytes_again():
    for seed in range(5):
        drawn = draw_radiograph(generator(seed), ALL_ON, ["a"], STATISTICS)
        assert 0 <= drawn.scatter.ratio <= RANDOM_SCATTER.ratio[1]
        assert 0 < drawn.blur <= RANDOM_BLUR[1]
        assert drawn.edits.parts
        again = XrayDraw.model_validate_json(drawn.model_dump_json())
        first, second = render_radiograph(drawn, SCAN, find_parts(SCAN)), render_radiograph(again, SCAN)
        assert first.image.tobytes() == second.image.tobytes()
        assert first.noise_free.max() <= 1


def test_a_record_from_before_these_knobs_is_still_rendered():
    drawn = draw_radiograph(generator(0), XrayRandomisation(size=48), ["a"], STATISTICS)
    old = drawn.model_dump(exclude={"scatter", "blur", "edits"})
    assert (
        render_radiograph(XrayDraw.model_validate(old), SCAN).image.tobytes()
        == render_radiograph(drawn, SCAN).image.tobytes()
    )


def test_scatter_lightens_the_unit_and_blur_softens_its_edges():
    config = ALL_FIXED.updated({"noise_variance": (0, 0)})
    drawn = draw_radiograph(generator(0), config, ["a"], STATISTICS)
    plain = render_radiograph(drawn, SCAN).noise_free
    fogged = render_radiograph(drawn.updated({"scatter": {"ratio": 0.3, "width": 0.2}}), SCAN)
    shadow = fogged.transmission < 0.9
    assert (fogged.noise_free >= plain).all()
    assert (fogged.noise_free - plain)[shadow].mean() == pytest.approx(0.3 * plain[shadow].mean(), rel=0.1)
    soft = render_radiograph(drawn.updated({"blur": 1.0}), SCAN).noise_free
    assert np.abs(np.diff(soft)).max() < 0.7 * np.abs(np.diff(plain)).max()
    assert soft.mean() == pytest.approx(plain.mean(), rel=1e-3)


@pytest.mark.parametrize(
    ("setting", "word", "meaning"),
    [
        ("projector", "fixed", FIXED_PROJECTOR),
        ("background", "fixed", FIXED_OPEN_BEAM),
        ("scatter", "random", RANDOM_SCATTER),
        ("blur", "random", RANDOM_BLUR),
        ("edits", "random", RANDOM_EDITS),
    ],
)
def test_a_word_stands_for_settings(setting, word, meaning):
    config = XrayRandomisation(**{setting: word})
    assert getattr(config, setting) == meaning != getattr(XrayRandomisation(), setting)
    off = {"fixed": "random", "random": "none"}[word]
    assert config.updated({setting: off}) == XrayRandomisation()
    assert config.digest() == XrayRandomisation().updated({setting: meaning}).digest()


def test_no_jitter_can_be_said_in_a_word():
    assert XrayRandomisation().updated({"transfer.jitter": "none"}).transfer.jitter == NO_JITTER


@pytest.mark.parametrize("words", [{"projector": "still"}, {"blur": "fixed"}, {"scatter.ratio": "random"}])
def test_other_words_are_refused(words):
    with pytest.raises(ConfigError, match=next(iter(words))):
        XrayRandomisation().updated(words)


def test_a_word_is_not_undone_in_passing(tmp_path):
    (tmp_path / "fixed.yaml").write_text("projector: fixed\n")
    with pytest.raises(ConfigError, match=r"'projector.tilt' cannot be set where 'projector' is 'fixed': write all"):
        load_config(XrayRandomisation, tmp_path / "fixed.yaml", ["projector.tilt=[-5, 5]"])
