import numpy as np
import pytest

from rgbx_render.radiography.synthetic_shapes import Canvas, draw_shapes

SIZE = 64


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def blank_canvas(rng):
    canvas = Canvas(rng, SIZE)
    canvas.image[:] = 0.8
    return canvas


def sharp(rng, canvas):
    """The image and points of a canvas, by an exposure that has no noise."""
    for _ in range(100):
        exposed = canvas.exposed(rng)
        if len(np.unique(exposed.image)) < SIZE**2 / 2:
            return exposed
    raise AssertionError("every exposure was noisy")


def test_the_same_seed_draws_the_same_image():
    one, other = (draw_shapes(np.random.default_rng(5), SIZE) for _ in range(2))
    assert np.array_equal(one.image, other.image)
    assert np.array_equal(one.points, other.points)


@pytest.mark.parametrize("seed", range(60))
def test_images_and_points_are_in_range(seed):
    drawn = draw_shapes(np.random.default_rng(seed), SIZE)
    assert drawn.image.shape == (SIZE, SIZE)
    assert drawn.image.dtype == np.float32
    assert drawn.image.min() >= 0
    assert drawn.image.max() <= 1
    assert drawn.points.min(initial=0) >= 0
    assert drawn.points.max(initial=0) < SIZE
    assert len(np.unique(drawn.points, axis=0)) == len(drawn.points)


def test_corners_and_crossings_of_outlines_are_labelled(rng):
    canvas = blank_canvas(rng)
    canvas.fill(rng, np.array([[10, 10], [40, 10], [40, 40], [10, 40]], float), 0.2)
    canvas.fill(rng, np.array([[25, 25], [55, 25], [55, 55], [25, 55]], float), 0.5)
    points = sharp(rng, canvas).points

    def labelled(*junctions):
        distance = np.linalg.norm(points[:, None] - np.array(junctions), axis=2)
        return (distance.min(axis=0) <= 3).tolist()

    assert all(labelled((10, 10), (40, 10), (10, 40), (25, 55), (55, 25), (55, 55)))
    assert all(labelled((40, 25), (25, 40))), "where the outlines cross"
    assert labelled((40, 40)) == [False], "it is hidden"
    assert len(points) == 9


def test_faint_corners_are_not_labelled(rng):
    square = np.array([[10, 10], [40, 10], [40, 40], [10, 40]], float)
    labelled = []
    for shade in (0.79, 0.2):
        canvas = blank_canvas(rng)
        canvas.fill(rng, square, shade)
        labelled.append(len(sharp(rng, canvas).points))
    assert labelled == [0, 4]


def test_ellipses_have_no_points(rng):
    canvas = blank_canvas(rng)
    for _ in range(5):
        canvas.ellipse(rng, np.array([30.0, 30.0]), np.array([20.0, 12.0]))
    assert np.ptp(canvas.image) > 0.02, "something was drawn"
    assert len(sharp(rng, canvas).points) == 0
