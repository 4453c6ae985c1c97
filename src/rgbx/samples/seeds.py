"""Where randomness comes from: one seed a sample, derived from what the sample is, never from when or where."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rgbx.files import digest


class SampleKey(NamedTuple):
    """Names one sample of a set."""

    label: str
    """Device class, e.g. ``"SP3"``."""
    number: int
    """0-based position within its class."""

    @property
    def stem(self) -> str:
        """Path of the sample's image within its set, without suffix, e.g. ``"SP3/000042"``."""
        return f"{self.label}/{self.number:06d}"


def class_keys(classes: Sequence[str], images_per_class: int) -> list[SampleKey]:
    """Return the keys of a set with as many samples of every class, in the order they are rendered in."""
    return [SampleKey(label, number) for number in range(images_per_class) for label in classes]


def sample_seed(set_seed: int, key: SampleKey, config_digest: str) -> int:
    """Return the 63-bit seed of a sample: a hash of (set, class, index, configuration)."""
    return int(digest(str(set_seed), key.label, str(key.number), config_digest), 16) >> 1


def generator(seed: int, attempt: int = 0) -> np.random.Generator:
    """Return the random generator of a sample's ``attempt``-th try (tries are rejected by filters)."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, attempt])))
