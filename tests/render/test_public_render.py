"""Radiographs of arrays: what comes out, that it can be made again, and what is refused."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import rgbx
from rgbx_render.devices.volume import Volume
from rgbx_render.devices.volume_io import write_volume

SPACING = 0.5


def _volume(dtype: str = "float32") -> np.ndarray:
    """A box, denser below (large y) and with a hole to the right (large x), in air."""
    values = np.zeros((16, 60, 40))
    values[4:12, 10:50, 8:32] = 100
    values[4:12, 30:50, 8:32] = 200
    values[4:12, 14:20, 24:29] = 0
    return values.astype(dtype)


def _border(image: np.ndarray) -> np.ndarray:
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])


def test_the_default_shows_the_whole_unit_well_exposed():
    drr = rgbx.radiograph(_volume(), SPACING)
    assert drr.image.shape == drr.transmission.shape == (512, 512)
    assert (drr.image.dtype, drr.transmission.dtype) == (np.uint16, np.float32)
    border = np.concatenate(
        [drr.transmission[0], drr.transmission[-1], drr.transmission[:, 0], drr.transmission[:, -1]]
    )
    assert border.min() == 1, "the unit is not cut off"
    shadow = drr.transmission < 0.99
    assert 0.2 < shadow.mean() < 0.6, "and not small"
    assert 0.4 < drr.transmission[shadow].mean() < 0.6
    assert drr.image == pytest.approx(drr.transmission * 0.9 * 65535, abs=1), "without noise"


def test_up_and_right_are_where_they_are_in_the_volume():
    image = rgbx.radiograph(_volume(), SPACING).transmission
    rows, columns = np.nonzero(image < 0.99)
    unit = image[rows.min() + 15 : rows.max() - 15, columns.min() + 15 : columns.max() - 15]
    height, width = unit.shape
    assert unit[: height // 2].mean() < unit[height // 2 :].mean(), "y points up, so what is denser is above"
    hole = np.argwhere(unit > 0.99).mean(0) / unit.shape
    assert (hole > (0.7, 0.6)).all(), "and x to the right"
    assert height > width


def test_a_rotation_turns_the_unit():
    upright = rgbx.radiograph(_volume(), SPACING, size=128).transmission
    lying = rgbx.radiograph(_volume(), SPACING, size=128, rotation=90).transmission
    assert lying == pytest.approx(np.rot90(upright), abs=0.02)
    edge = rgbx.radiograph(_volume(), SPACING, size=128, rotation=np.array([90, 0, 0])).transmission
    assert (edge < 0.99).sum() < 0.5 * (upright < 0.99).sum()
    for rotation in ((45, 35, 0), (0, 45, 45), (60, 30, 10)):
        image = rgbx.radiograph(np.pad(np.ones((30, 30, 30)), 3), 1.0, size=64, rotation=rotation).transmission
        assert _border(image).min() == 1


def test_exposure_does_not_hang_on_the_unit_of_length():
    """Ten times as thick is as bright, unless attenuations are to be taken as they are."""
    thin, thick = (rgbx.radiograph(_volume(), spacing, size=64).transmission.min() for spacing in (0.1, 1.0))
    assert thin == pytest.approx(thick, abs=0.02)
    thin, thick = (
        rgbx.radiograph(_volume(), spacing, size=64, mean_transmission=None).transmission.min()
        for spacing in (0.1, 1.0)
    )
    assert thick < 0.5 * thin


def test_spacing_may_differ_by_axis():
    stretched = rgbx.radiograph(_volume(), (0.5, 1.0, 0.5), size=128).transmission < 0.99
    rows, columns = (np.ptp(found) + 1 for found in np.nonzero(stretched))
    assert rows / columns == pytest.approx(40 / 24 * 2, rel=0.05)


def test_presets_are_named_or_given_by_points():
    images = {
        name: rgbx.radiograph(_volume(), SPACING, size=64, preset=name).image.tobytes()
        for name in ("hard", "soft", "metal")
    }
    assert len(set(images.values())) == 3
    linear = rgbx.radiograph(_volume(), SPACING, size=64, preset=[(0, 0), (1, 0.3)], mean_transmission=None)
    assert linear.transmission.min() == pytest.approx(np.exp(-0.3 * 8 * SPACING), rel=0.02)


@pytest.mark.parametrize("dtype", ["uint8", ">i2", "int64", "float16", "float64"])
def test_any_real_type_gives_the_same_image(dtype):
    reference = rgbx.radiograph(_volume(), SPACING, size=64)
    assert rgbx.radiograph(_volume(dtype), SPACING, size=64).transmission == pytest.approx(
        reference.transmission, abs=0.01
    )
    assert rgbx.radiograph(_volume(dtype)[:, ::-1][:, ::-1], SPACING, size=64).transmission == pytest.approx(
        reference.transmission, abs=0.01
    )


def test_a_random_one_is_its_seed_and_its_draw():
    first, again, other = (rgbx.random_radiograph(_volume(), SPACING, seed, size=64) for seed in (7, 7, 8))
    assert first.image.tobytes() == again.image.tobytes() != other.image.tobytes()
    assert first.draw == again.draw
    for draw in (first.draw, first.draw.model_dump(mode="json")):
        assert rgbx.render_draw(_volume(), SPACING, draw).image.tobytes() == first.image.tobytes()
    plain = rgbx.render_draw(_volume(), SPACING, first.draw.updated({"noise_variance": 0}))
    assert plain.transmission.tobytes() == first.transmission.tobytes()
    assert plain.image == pytest.approx(plain.noise_free * 65535, abs=1)


def test_a_plain_one_is_its_draw_too():
    drr = rgbx.radiograph(_volume(), SPACING, size=64, rotation=(20, 0, 5), noise_variance=100, seed=3)
    assert drr.draw.pose.rotation == (20, 0, 5)
    assert rgbx.render_draw(_volume(), SPACING, drr.draw).image.tobytes() == drr.image.tobytes()
    assert rgbx.radiograph(_volume(), SPACING, size=64, noise_variance=100, seed=4).image.std() > 0


def test_settings_may_be_a_mapping_a_file_or_keywords(tmp_path):
    (tmp_path / "flat.yaml").write_text("projector: {tilt: [0, 0]}\nsize: 32\n")
    given = rgbx.random_radiograph(_volume(), SPACING, 1, tmp_path / "flat.yaml", noise_variance=(0, 0))
    same = rgbx.random_radiograph(
        _volume(), SPACING, 1, {"projector.tilt": (0, 0), "size": 32, "noise_variance": (0, 0)}
    )
    assert given.image.shape == (32, 32)
    assert given.draw == same.draw


def test_a_set_is_rendered_as_by_the_command_line(tmp_path):
    for number in (1, 2):
        folder = tmp_path / f"library/A{number}/unit"
        folder.mkdir(parents=True)
        write_volume(folder / "scan.nrrd", Volume(_volume(), (SPACING,) * 3))
    library = rgbx.open_library(tmp_path / "library")
    assert library.classes == ("A1", "A2")
    accepting = {"acceptance": {"detector": "corners", "keypoints": 0}}
    samples = rgbx.render_radiographs(
        library, tmp_path / "set", per_class=2, workers=0, settings=accepting, size=32, noise_variance=(0, 0)
    )
    assert [record.label for record in samples] == ["A1", "A1", "A2", "A2"]
    again = rgbx.render_radiographs(
        str(tmp_path / "library"),
        tmp_path / "set",
        per_class=2,
        settings={**accepting, "size": 32},
        noise_variance=(0, 0),
    )
    assert again.folder == samples.folder, "nothing is left to render"
    record = next(iter(samples))
    scan = library.unit(record.label, record.unit).read_scan()
    replayed = rgbx.render_draw(scan.values, scan.spacing, record.draw)
    from rgbx.datasets.images import read_radiograph

    assert read_radiograph(samples.path(record)) == pytest.approx(replayed.image / 65535, abs=1e-6)
    with pytest.raises(rgbx.ConfigError, match="per_class"):
        rgbx.render_radiographs(library, tmp_path / "none", per_class=0)
    assert not Path(tmp_path / "none").exists()


def _one_sentence(error: BaseException) -> bool:
    return "\n" not in str(error) and str(error).endswith(".")


@pytest.mark.parametrize(
    ("volume", "said"),
    [
        (_volume()[0], "2 axes"),
        (np.zeros((0, 3, 3)), "no depth"),
        (np.zeros((5, 5, 5)), "empty"),
        (np.full((5, 5, 5), np.nan), "NaN"),
        (_volume() + 1j, "complex"),
        (_volume() > 0, "bool"),
        ("volume.nrrd", "axes"),
        (_volume().astype(float) * 1e300, "infinite"),
    ],
)
def test_what_is_no_volume_is_refused(volume, said):
    with warnings.catch_warnings(), pytest.raises(rgbx.InputError, match=said) as caught:
        warnings.simplefilter("error")
        rgbx.radiograph(volume, SPACING)
    assert _one_sentence(caught.value)


@pytest.mark.parametrize("spacing", [0, -1, float("nan"), float("inf"), (1, 2), (1, 2, 0), "a", None, np.float32(-3)])
def test_what_is_no_spacing_is_refused(spacing):
    for render in (rgbx.radiograph, rgbx.random_radiograph):
        with pytest.raises(rgbx.ConfigError, match=r"'spacing_mm' is .*: give the distance of voxels in mm") as caught:
            render(_volume(), spacing)
        assert _one_sentence(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"preset": "x-ray"}, "choose from"),
        ({"preset": [(0, 1)]}, "points"),
        ({"size": 3}, "size"),
        ({"rotation": (1, 2)}, "rotation"),
        ({"rotation": float("nan")}, "rotation"),
        ({"noise_variance": -1}, "noise_variance"),
        ({"noise_variance": float("inf")}, "noise_variance"),
        ({"mean_transmission": 0}, "mean_transmission"),
        ({"mean_transmission": float("nan")}, "mean_transmission"),
        ({"backend": "graphics"}, "backend"),
    ],
)
def test_wrong_options_are_refused(options, said):
    with pytest.raises(rgbx.RgbxError, match=said) as caught:
        rgbx.radiograph(_volume(), SPACING, **options)
    assert _one_sentence(caught.value)


@pytest.mark.parametrize("wrong", [{"sizes": 3}, {"settings": 3}, {"settings": "nowhere.yaml"}, {"size": "large"}])
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(rgbx.RgbxError) as caught:
        rgbx.random_radiograph(_volume(), SPACING, **wrong)
    assert _one_sentence(caught.value)


def test_the_source_moves_back_for_a_large_unit_but_stays_where_a_draw_has_it():
    for image in (rgbx.random_radiograph(_volume(), 100.0), rgbx.radiograph(_volume(), 100.0, size=64)):
        assert image.transmission.min() < 0.9
    small = rgbx.random_radiograph(_volume(), 0.5)
    with pytest.raises(rgbx.RgbxError, match="spacing_mm"):
        rgbx.render_draw(_volume(), 100.0, small.draw)


@settings(max_examples=30, deadline=None)
@given(
    arrays(
        np.float32, array_shapes(min_dims=3, max_dims=3, min_side=2, max_side=12), elements=st.floats(-9, 9, width=32)
    )
)
def test_any_other_array_gives_an_image_or_one_sentence(values):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            image = rgbx.radiograph(values, 1.0, size=16).transmission
    except rgbx.RgbxError as error:
        assert _one_sentence(error)
    else:
        assert np.isfinite(image).all()
        assert 0 <= image.min() <= image.max() <= 1
