"""Early exit: a stream that looks closer only at what it is not sure of yet, one graph for each iteration."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from rgbx.inference.runtimes import STREAM_OUTPUTS, Graph, StreamOutput
from rgbx.trust.probabilities import probabilities

Array = TypeVar("Array")
"""NumPy's, or torch's where a network is exported."""


class IterationOutput(NamedTuple):
    """What an iteration gives: a stream's answer after i of them, and what the next one needs; all float32.

    The first five are those of :class:`~rgbx.inference.runtimes.StreamOutput`.
    """

    logits: np.ndarray
    """(B, C), of the aggregate of i iterations."""
    fused_input: np.ndarray
    """(B, K)."""
    cams: np.ndarray
    """(B, i, h, w)."""
    windows: np.ndarray
    """(B, i, 3)."""
    crops: np.ndarray
    """(B, i, 1 or 3, H, W)."""
    features: np.ndarray
    """(B, i, K), pooled, before they are aggregated."""


def next_inputs(images: Array, found: Mapping[str, Array]) -> dict[str, Array]:
    """Return what an iteration reads: ``images`` and, as ``past_…``, what the one before found."""
    return {"images": images, **{f"past_{name}": found[name] for name in ("cams", "windows", "crops", "features")}}


def iteration_graph(stream: str, number: int) -> str:
    """Return the name of the graph of a stream's ``number``-th iteration, from 1."""
    return f"{stream}.iteration{number}"


class EarlyExit:
    """A stream that stops as soon as a class has a probability of at least ``threshold``.

    What is undecided goes on together; what is decided is answered from the iterations it had.

    Args:
        graphs: of the stream's iterations, with :func:`next_inputs` in and :class:`IterationOutput` out.
        threshold: in 0..1; above 1 every image has every iteration.
    """

    def __init__(self, graphs: Sequence[Graph], threshold: float) -> None:
        self._graphs = graphs
        self._threshold = threshold

    def __call__(self, images: np.ndarray, crops: bool = False) -> StreamOutput:
        """As :class:`rgbx.inference.runtimes.StreamRuntime`; ``cams``, ``windows`` and ``crops`` are lists."""
        answers: dict[int, IterationOutput] = {}
        undecided, inputs = np.arange(len(images)), {"images": images}
        for number, graph in enumerate(self._graphs, start=1):
            found = IterationOutput(*graph(inputs, IterationOutput._fields))
            sure = probabilities(found.logits).max(1) >= self._threshold
            done = sure | (number == len(self._graphs))
            for place in np.flatnonzero(done):
                answers[undecided[place]] = IterationOutput(*(each[place] for each in found))
            undecided = undecided[~done]
            if not len(undecided):
                break
            inputs = next_inputs(images[undecided], {name: each[~done] for name, each in found._asdict().items()})
        ordered = [answers[place] for place in range(len(images))]
        logits, fused_input, *lists = ([getattr(each, name) for each in ordered] for name in STREAM_OUTPUTS)
        return StreamOutput(np.stack(logits), np.stack(fused_input), *(lists if crops else lists[:-1]))

    def respond_by_iteration(self, images: np.ndarray) -> np.ndarray:
        """Return the probabilities that each iteration would answer with, (B, n, C)."""
        inputs, answers = {"images": images}, []
        for graph in self._graphs:
            found = IterationOutput(*graph(inputs, IterationOutput._fields))
            answers.append(probabilities(found.logits))
            inputs = next_inputs(images, found._asdict())
        return np.stack(answers, 1)
