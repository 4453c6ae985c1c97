"""Whether a heat map shows what the answer rests on: deletion and insertion (Petsiuk et al., 2018).

Pixels are blurred away from the hottest on (deletion) or come back into a blurred image, the hottest first
(insertion), while the probability of the first answer is watched. A faithful map makes it fall early and rise early.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from scipy.integrate import trapezoid

from rgbx.config import Config
from rgbx.evaluation.explain import Case
from rgbx.evaluation.intervals import Estimate, cluster_bootstrap
from rgbx.modality import Modality
from rgbx.progress import track

if TYPE_CHECKING:
    from rgbx.inference import Predictor

STEPS = 16
BLUR = 0.08
"""Standard deviation of what pixels are replaced by, as a share of the image's side."""


class Faithfulness(NamedTuple):
    """Probability of the class, averaged over the share of pixels taken away or brought back."""

    deletion: float
    """The lower, the better."""
    insertion: float
    """The higher, the better."""


class MapScores(Config):
    """How faithful a stream's heat maps are, beside maps that know nothing but that devices lie in the middle."""

    images: int
    deletion: Estimate
    insertion: Estimate
    centre_deletion: Estimate
    """Of a Gaussian in the middle of the image."""
    centre_insertion: Estimate


def measure_maps(predictor: "Predictor", cases: Sequence[Case], seed: int = 0) -> dict[Modality, MapScores]:
    """Measure the first iteration's heat map of each image, for each stream's own answer.

    Args:
        predictor: of the bundle.
        cases: devices, with a photograph, a radiograph or both.
        seed: of the bootstrap over cases.

    Raises:
        RgbxError: an image cannot be read, or the bundle has no stream for it.
    """
    found: dict[Modality, list[tuple[str, Faithfulness, Faithfulness]]] = {}
    for case in track(cases, "testing heat maps", total=len(cases)):
        images: dict[Modality, Path | None] = {"rgb": case.rgb, "xray": case.xray}
        for modality, path in images.items():
            if path is None:
                continue
            (encoded,) = predictor.encode(modality, [path], explain=True)
            prepared = predictor.prepare(modality, path)
            probability = partial(_probability, predictor, modality, int(encoded.logits.argmax()))
            own = faithfulness(probability, prepared, encoded.views[0].cam)
            centre = faithfulness(probability, prepared, _centre())
            found.setdefault(modality, []).append((case.name, own, centre))
    return {modality: _scores(rows, seed) for modality, rows in found.items()}


def faithfulness(
    probability: Callable[[np.ndarray], np.ndarray], image: np.ndarray, heat: np.ndarray, steps: int = STEPS
) -> Faithfulness:
    """Measure a heat map.

    Args:
        probability: of the class in question, (n,) for (n, H, W) or (n, H, W, 3) images like ``image``.
        image: (H, W) or (H, W, 3), any type.
        heat: (h, w), stretched bilinearly over the image.
        steps: into how many equal parts of its pixels the image is cut.
    """
    height, width = image.shape[:2]
    stretched = cv2.resize(heat.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    # A map is flat in places: there, the rank of equals is left to chance, not to the order of rows.
    ties = np.random.default_rng(0).permutation(stretched.size)
    order = np.lexsort((ties, -stretched.ravel()))
    rank = np.argsort(order).reshape(height, width)
    blurred = cv2.GaussianBlur(image, (0, 0), BLUR * max(height, width))
    taken = [rank < round(step * stretched.size / steps) for step in range(steps + 1)]
    deleted = np.stack([_chosen(mask, blurred, image) for mask in taken])
    inserted = np.stack([_chosen(mask, image, blurred) for mask in taken])
    values = probability(np.concatenate([deleted, inserted]))
    return Faithfulness(_mean(values[: steps + 1]), _mean(values[steps + 1 :]))


def _chosen(mask: np.ndarray, inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    return np.where(mask[..., None] if inside.ndim == 3 else mask, inside, outside)


def _mean(curve: np.ndarray) -> float:
    return float(trapezoid(curve, dx=1 / (len(curve) - 1)))


def _probability(predictor: "Predictor", modality: Modality, label: int, images: np.ndarray) -> np.ndarray:
    return predictor.respond(modality, images)[:, label]


def _centre(side: int = 32) -> np.ndarray:
    along = np.linspace(-1, 1, side)
    return np.exp(-(along[:, None] ** 2 + along**2) / 0.5)


def _scores(rows: Sequence[tuple[str, Faithfulness, Faithfulness]], seed: int) -> MapScores:
    values = np.array([[*own, *centre] for _, own, centre in rows])

    def means(weights: np.ndarray) -> np.ndarray:
        return weights @ values / weights.sum(axis=-1, keepdims=True)

    lows, highs = cluster_bootstrap([frozenset({name}) for name, _, _ in rows], means, seed)
    deletion, insertion, centre_deletion, centre_insertion = (
        Estimate(value=float(value), low=float(low), high=float(high))
        for value, low, high in zip(values.mean(0), lows, highs, strict=True)
    )
    return MapScores(
        images=len(rows),
        deletion=deletion,
        insertion=insertion,
        centre_deletion=centre_deletion,
        centre_insertion=centre_insertion,
    )
