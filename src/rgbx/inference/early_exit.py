"""Early exit: a stream that looks closer only at what it is not sure of yet, one graph for each look."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from rgbx.inference.runtimes import Graph, StreamOutput
from rgbx.trust.probabilities import probabilities

Array = TypeVar("Array")
"""NumPy's, or torch's where a network is exported."""


class PassOutput(NamedTuple):
    """What a pass gives: a stream's answer so far, and what the next pass needs; after i passes, all float32."""

    logits: np.ndarray
    """(B, C), of the aggregate of i passes."""
    fused_input: np.ndarray
    """(B, K)."""
    cams: np.ndarray
    """(B, i, h, w)."""
    windows: np.ndarray
    """(B, i, 3)."""
    features: np.ndarray
    """(B, i, K), pooled, before they are aggregated."""
    seen: np.ndarray
    """(B, 1 or 3, H, H), the image that the next pass looks at a part of."""


def next_inputs(images: Array, found: Mapping[str, Array]) -> dict[str, Array]:
    """Return what a pass reads: ``images`` and, as ``past_…``, what the pass before found."""
    return {"images": images, **{f"past_{name}": found[name] for name in ("seen", "features", "cams", "windows")}}


def pass_name(stream: str, number: int) -> str:
    """Return the name of the graph of a stream's ``number``-th pass, from 1."""
    return f"{stream}.pass{number}"


class EarlyExit:
    """A stream that stops as soon as a class has a probability of at least ``threshold``.

    What is undecided goes on together; what is decided is answered from the passes it had.

    Args:
        passes: the stream's graphs, one for each iteration, with :func:`next_inputs` in and :class:`PassOutput` out.
        threshold: in 0..1; above 1 every image has every pass.
    """

    def __init__(self, passes: Sequence[Graph], threshold: float) -> None:
        self._passes = passes
        self._threshold = threshold

    def __call__(self, images: np.ndarray) -> StreamOutput:
        """As :class:`rgbx.inference.runtimes.StreamRuntime`; ``cams`` and ``windows`` are lists of arrays."""
        answers: dict[int, PassOutput] = {}
        undecided, inputs = np.arange(len(images)), {"images": images}
        for number, look in enumerate(self._passes, start=1):
            found = PassOutput(*look(inputs, PassOutput._fields))
            sure = probabilities(found.logits).max(1) >= self._threshold
            done = sure | (number == len(self._passes))
            for place in np.flatnonzero(done):
                answers[undecided[place]] = PassOutput(*(each[place] for each in found))
            undecided = undecided[~done]
            if not len(undecided):
                break
            inputs = next_inputs(images[undecided], {name: each[~done] for name, each in found._asdict().items()})
        ordered = [answers[place] for place in range(len(images))]
        return StreamOutput(
            logits=np.stack([each.logits for each in ordered]),
            fused_input=np.stack([each.fused_input for each in ordered]),
            cams=[each.cams for each in ordered],
            windows=[each.windows for each in ordered],
        )

    def respond_by_pass(self, images: np.ndarray) -> np.ndarray:
        """Return the probabilities that each pass would answer with, (B, n, C)."""
        inputs, answers = {"images": images}, []
        for look in self._passes:
            found = PassOutput(*look(inputs, PassOutput._fields))
            answers.append(probabilities(found.logits))
            inputs = next_inputs(images, found._asdict())
        return np.stack(answers, 1)
