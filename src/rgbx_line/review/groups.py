"""Unknown devices that are alike, to be looked at together: a new device comes by the dozen."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.cluster import hierarchy

from rgbx_line.contract import said_in
from rgbx_line.review.index import ReviewIndex

MOST_GROUPED = 400
"""Of the newest unknown devices."""
ALIKE = 0.5
"""Distance up to which devices are alike, on average over a group: 0 of the same answers, √2 of ones that share none.
"""
STREAM_WEIGHT = 0.5
"""Of what a stream says alone, beside the probabilities."""


def unknown_groups(index: ReviewIndex, through: int) -> list[list[int]]:
    """Return the unknown devices that wait, in groups of neighbours, the largest group first.

    Neighbours are devices that the model says alike of: by the probability of each class and by what each stream says
    alone. Devices of one new class mostly are, since they resemble the same known ones. Those that were drawn at
    random are left out: an error rate rests on devices that were looked at one by one.

    Args:
        index: up to date.
        through: number of the last entry that may be told of.

    Returns:
        Numbers of results; in a group, the newest first.
    """
    rows = index.rows(
        "SELECT number, segment, offset FROM results WHERE waiting AND reason = 'unknown' AND draw >= :share"
        f" AND number <= :through AND opinions = 0 ORDER BY number DESC LIMIT {MOST_GROUPED}",
        share=index.mix.random_share,
        through=through,
    )
    entries = [entry for entry in map(index.entry, rows) if entry is not None]
    if not entries:
        return []
    labels = grouped([said_in(entry.content) for entry in entries])
    groups: dict[int, list[int]] = {}
    for entry, label in zip(entries, labels, strict=True):
        groups.setdefault(label, []).append(entry.number)
    return sorted(groups.values(), key=len, reverse=True)


def grouped(answers: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the number of the group that each device belongs to.

    Args:
        answers: one or more contents of results, with ``probabilities`` and ``streams``.
    """
    if len(answers) == 1:
        return [0]
    links = hierarchy.linkage(_vectors(answers), "average")
    return [int(label) for label in hierarchy.fcluster(links, ALIKE, "distance")]


def _vectors(answers: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Return (n, K): roots of probabilities, whose distance is Hellinger's, and a 1 for what each stream says."""
    said = sorted({(modality, label) for answer in answers for modality, label in answer["streams"].items()})
    classes = sorted({name for answer in answers for name in answer["probabilities"]})
    shares = np.array([[answer["probabilities"].get(name, 0.0) for name in classes] for answer in answers])
    alone = np.array([[answer["streams"].get(modality) == label for modality, label in said] for answer in answers])
    return np.hstack([np.sqrt(shares), STREAM_WEIGHT * alone.astype(float)])
