"""Partners to train the fusion with: for each photograph some radiograph of its class, drawn anew every epoch."""

import numpy as np


def draw_partners(rgb_labels: np.ndarray, xray_labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw, for each photograph, the index of a radiograph of its class.

    Args:
        rgb_labels: (N,) class indices of the photographs.
        xray_labels: (M,) class indices of the radiographs; every class of ``rgb_labels`` must occur.
        rng: source of randomness.

    Returns:
        (N,) int64 indices into the radiographs.
    """
    partners = np.empty(len(rgb_labels), dtype=np.int64)
    for label in np.unique(rgb_labels):
        places = np.flatnonzero(rgb_labels == label)
        partners[places] = rng.choice(np.flatnonzero(xray_labels == label), size=len(places))
    return partners
