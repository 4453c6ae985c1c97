"""Which photograph goes with which radiograph, when the two were not taken of the same pass over the line."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

import numpy as np

from rgbx.samples import SampleRecord, generator

Key = TypeVar("Key", bound=Hashable)
Pair = tuple[SampleRecord, SampleRecord]
"""An RGB record and the radiograph's record it is shown with."""

SAME_UNIT = "same unit"


def draw_pairings(
    rgb: Sequence[SampleRecord], xray: Sequence[SampleRecord], count: int, seed: int
) -> dict[str, list[Pair]]:
    """Pair every photograph with a radiograph, ``count`` times at random within its class.

    The paper draws one such pairing (§IV-D); its luck is hidden unless there are several. Where every unit
    photographed was X-rayed too, the pairing ``"same unit"`` is added: it is what a line with both devices sees.

    Returns:
        ``{"1": pairs, …, "same unit": pairs}``, each in the order of ``rgb``.
    """
    pairings = {
        str(number): _deal(rgb, xray, [r.label for r in rgb], [x.label for x in xray], generator(seed, number))
        for number in range(1, count + 1)
    }
    rgb_units, xray_units = [(r.label, r.unit) for r in rgb], [(x.label, x.unit) for x in xray]
    if set(rgb_units) <= set(xray_units):
        pairings[SAME_UNIT] = _deal(rgb, xray, rgb_units, xray_units, generator(seed, 0))
    return pairings


def _deal(
    rgb: Sequence[SampleRecord],
    xray: Sequence[SampleRecord],
    rgb_keys: Sequence[Key],
    xray_keys: Iterable[Key],
    rng: np.random.Generator,
) -> list[Pair]:
    """Deal radiographs of equal key like cards, shuffled, none twice before all were used once."""
    decks: dict[Key, list[SampleRecord]] = defaultdict(list)
    for record, key in zip(xray, xray_keys, strict=True):
        decks[key].append(record)
    hands: dict[Key, list[SampleRecord]] = {key: [] for key in decks}
    pairs = []
    for record, key in zip(rgb, rgb_keys, strict=True):
        if not hands[key]:
            hands[key] = [decks[key][place] for place in rng.permutation(len(decks[key]))]
        pairs.append((record, hands[key].pop()))
    return pairs
