import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rgbx.errors import InputError
from rgbx_proving.sp10.family import SP10
from rgbx_proving.units.scanning import scan_unit
from rgbx_render.radiography.kernel import transmission
from rgbx_render.radiography.projector import Pose, Projector
from rgbx_render.radiography.randomisation import ScanStatistics, XrayRandomisation
from rgbx_render.radiography.scans import INTENSITY_BINS, ScanLevels, prepare_scan
from rgbx_render.radiography.transfer import (
    NO_JITTER,
    TransferFunction,
    TransferJitter,
    TransferPreset,
    draw_transfer,
    guard,
    preset_text,
    read_presets,
)

LEVELS = ScanLevels(air=-1000.0, dense=9000.0)


def test_five_seeds_are_shipped():
    assert len(read_presets()) == 5


def test_without_jitter_a_seed_is_put_on_the_scale_of_the_scans():
    seed = read_presets()["hard"]
    transfer = draw_transfer(np.random.default_rng(0), "hard", seed, NO_JITTER, LEVELS)
    for (relative, attenuation), point in zip(seed.points, transfer.points, strict=True):
        assert point == pytest.approx((-1000 + 10000 * relative, attenuation))
        assert transfer(np.array([point[0]])) == pytest.approx([attenuation])
    assert not transfer(np.array([-5000.0, -1000.0])).any()
    assert transfer(np.array([1e9])) == pytest.approx([seed.points[-1][1]])


@given(st.integers(0, 2**32), st.sampled_from(list(read_presets())))
def test_jittered_seeds_stay_well_formed(number, name):
    wild = TransferJitter(point_intensity=(0.3, 3.0))
    drawn = draw_transfer(np.random.default_rng(number), name, read_presets()[name], wild, LEVELS)
    assert drawn == TransferFunction.model_validate_json(drawn.model_dump_json())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{about: x, points: [[0, 0], [0.5, 0.1], [0.4, 0.2]]}", "must rise"),
        ("{about: x, points: [[0, 0.1], [0.5, 0.1]]}", "the first must be 0"),
        ("{about: x, points: [[-0.1, 0], [0.5, 0.1]]}", "must not be below 0"),
        ("{about: x, points: [[0, 0]]}", "at least 2"),
        ("{about: x, points: [[0, 0], [1, a]]}", "valid number"),
        ("points", "is not a YAML mapping"),
        ("[]", "is not a YAML mapping"),
        ("{", "not valid YAML"),
    ],
)
def test_a_faulty_seed_is_named(tmp_path, text, problem):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"mine\.yaml .*{problem}"):
        read_presets(tmp_path)


def test_seeds_of_ones_own_are_named_after_their_files(tmp_path):
    for name, seed in read_presets().items():
        (tmp_path / f"my-{name}.yaml").write_text(preset_text(seed))
    assert read_presets(tmp_path) == {f"my-{name}": seed for name, seed in read_presets().items()}
    assert list(read_presets(tmp_path / "my-soft.yaml")) == ["my-soft"]
    given = XrayRandomisation().updated({"transfer.presets": str(tmp_path)})
    assert given.transfer.presets == read_presets(tmp_path)
    assert XrayRandomisation.model_validate_json(given.model_dump_json()) == given, "without the files"


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_seeds_that_are_not_there_are_missed(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=name):
        XrayRandomisation().updated({"transfer.presets": str(tmp_path / name)})


CONTENTS = np.random.default_rng(0).exponential(0.4, (50, len(INTENSITY_BINS))) * (INTENSITY_BINS < 2)
"""Lines through something made of everything."""


def mean_transmission(transfer):
    depths = CONTENTS @ transfer(LEVELS.air + INTENSITY_BINS * (LEVELS.dense - LEVELS.air))
    return float(np.exp(-depths).mean())


@given(st.sampled_from(list(read_presets())), st.floats(0.001, 100))
def test_the_guard_brings_any_strength_into_its_range_and_keeps_the_shape(name, strength):
    jitter = NO_JITTER.updated({"strength": (strength, strength)})
    drawn = draw_transfer(np.random.default_rng(0), name, read_presets()[name], jitter, LEVELS)
    guarded = guard(drawn, CONTENTS, LEVELS, (0.2, 0.85))
    if 0.2 <= mean_transmission(drawn) <= 0.85:
        assert guarded == drawn
    assert 0.2 - 1e-9 <= mean_transmission(guarded) <= 0.85 + 1e-9
    factors = [after[1] / before[1] for before, after in zip(drawn.points, guarded.points, strict=True) if before[1]]
    assert factors == pytest.approx([factors[0]] * len(factors))
    assert [x for x, _ in drawn.points] == [x for x, _ in guarded.points]


def test_the_guard_leaves_what_no_strength_can_change():
    nothing = TransferFunction(name="nothing", points=((0, 0), (9000, 0)))
    assert guard(nothing, CONTENTS, LEVELS, (0.2, 0.85)) == nothing
    mostly_air = np.vstack([CONTENTS[:1], np.zeros((99, len(INTENSITY_BINS)))])
    drawn = draw_transfer(np.random.default_rng(0), "hard", read_presets()["hard"], NO_JITTER, LEVELS)
    assert guard(drawn, mostly_air, LEVELS, (0.2, 0.85)) == drawn


def test_the_guard_can_be_switched_off():
    wild = TransferJitter(strength=(1e-4, 1e3))
    for number in range(20):
        drawn = draw_transfer(np.random.default_rng(number), "soft", read_presets()["soft"], wild, LEVELS)
        assert guard(drawn, CONTENTS, LEVELS, (0, 1)) == drawn


@pytest.mark.parametrize("name", read_presets())
def test_the_guard_expects_what_a_flat_unit_comes_out_at(name):
    scan = prepare_scan(scan_unit(SP10.make_unit("SP7", 1), spacing_mm=0.6))
    statistics = ScanStatistics.of([scan.description])
    levels = statistics.levels
    drawn = draw_transfer(np.random.default_rng(0), name, read_presets()[name], NO_JITTER, levels)
    expected = np.exp(
        -np.array(statistics.contents) @ drawn(levels.air + INTENSITY_BINS * (levels.dense - levels.air))
    ).mean()
    projector = Projector(source_to_centre=3000, source_to_detector=3010, pixels=(170, 170), pixel_size=1.0)
    image = transmission(scan, drawn, projector.rays(Pose()))
    filled = (
        transmission(
            scan, draw_transfer(np.random.default_rng(0), "all", ALL, NO_JITTER, levels), projector.rays(Pose())
        )
        < 0.99
    )
    assert image[filled].mean() == pytest.approx(expected, abs=0.04)


ALL = TransferPreset(about="Black is what is not air.", points=((0.05, 0.0), (0.06, 10.0)))
