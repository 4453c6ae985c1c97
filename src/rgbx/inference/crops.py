"""What each iteration of a stream saw, cut out of the prepared image again, for whoever wants to look."""

import numpy as np

from rgbx.models.stream_config import ICamConfig

Window = np.ndarray
"""(3,) left, top and side, in 0..1."""


def images_seen(prepared: np.ndarray, windows: np.ndarray, config: ICamConfig) -> list[np.ndarray]:
    """Return each iteration's image as the network saw it, whatever runtime computed its windows.

    Args:
        prepared: (S, S) uint16 or (S, S, 3) uint8, from the stream's transform.
        windows: (n, 3) left, top and side of each iteration's window, in 0..1 of ``prepared``.
        config: of the loop.

    Returns:
        n images, (H, H) or (H, H, 3) float32 in 0..1.
    """
    source = prepared.astype(np.float32) / np.iinfo(prepared.dtype).max
    size = config.input_size
    images = [sample(source, windows[0], size)]
    for iteration in range(1, len(windows)):
        if config.crop_source == "source":
            images.append(sample(source, windows[iteration], size))
        else:  # what was cropped from the network's own input shows no more than that did
            outer = config.outer(iteration)
            images.append(sample(images[outer], _within(windows[outer], windows[iteration]), size))
    return images


def sample(image: np.ndarray, window: Window, size: int) -> np.ndarray:
    """Resize a window of an (H, W) or (H, W, 3) image bilinearly to ``size`` pixels a side, as the network does."""
    height, width = image.shape[:2]
    centres = (np.arange(size, dtype=np.float32) + 0.5) / size
    left, top, side = window
    low_x, high_x, share_x = _neighbours((left + centres * side) * width - 0.5, width)
    low_y, high_y, share_y = _neighbours((top + centres * side) * height - 0.5, height)
    if image.ndim == 3:
        share_x, share_y = share_x[:, None], share_y[:, None]
    rows = image[low_y] * (1 - share_y[:, None]) + image[high_y] * share_y[:, None]
    return rows[:, low_x] * (1 - share_x) + rows[:, high_x] * share_x


def _neighbours(places: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pixels on both sides of each place, and the share of the second; the border goes on outside."""
    places = places.clip(0, count - 1)
    low = places.astype(np.int64)
    return low, np.minimum(low + 1, count - 1), (places - low).astype(np.float32)


def _within(outer: Window, window: Window) -> Window:
    return np.array([(window[0] - outer[0]) / outer[2], (window[1] - outer[1]) / outer[2], window[2] / outer[2]])
