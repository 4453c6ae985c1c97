"""A stream as torch computes it, straight from a bundle's weights."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from rgbx.inference.early_exit import IterationOutput
from rgbx.inference.runtimes import StreamOutput
from rgbx.models.icam import ICam, Iterations
from rgbx.models.processor import pick_processor


class StreamGraph(nn.Module):
    """A stream with the outputs that every runtime gives, in the order of :class:`StreamOutput`; also what is exported.

    Args:
        stream: trained.
    """

    def __init__(self, stream: ICam) -> None:
        super().__init__()
        self.stream = stream

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        output = self.stream(images)
        fused_input = self.stream.aggregate(output.features)
        return output.logits, fused_input, output.cams, output.windows, torch.stack(output.crops, 1)


class IterationGraph(nn.Module):
    """One iteration of a stream, with the inputs and outputs that :mod:`rgbx.inference.early_exit` speaks of.

    Args:
        stream: trained.
    """

    def __init__(self, stream: ICam) -> None:
        super().__init__()
        self.stream = stream

    def forward(
        self,
        images: torch.Tensor,
        past_cams: torch.Tensor | None = None,
        past_windows: torch.Tensor | None = None,
        past_crops: torch.Tensor | None = None,
        past_features: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, ...]:
        past = Iterations()
        if past_cams is not None and past_windows is not None and past_crops is not None and past_features is not None:
            past = Iterations(*(each.unbind(1) for each in (past_crops, past_windows, past_features, past_cams)))
        crops, windows, features, cams = (torch.stack(each, 1) for each in self.stream.iterate(images, past))
        return self.stream.classify(features), self.stream.aggregate(features), cams, windows, crops, features


class TorchRuntime:
    """A stream in torch, on the GPU where there is one."""

    def __init__(self, stream: ICam) -> None:
        self._device = pick_processor().torch
        self._graph = StreamGraph(stream).to(self._device).eval()

    def __call__(self, images: np.ndarray, crops: bool = False) -> StreamOutput:
        """See :class:`rgbx.inference.runtimes.StreamRuntime`."""
        with torch.inference_mode():
            found = self._graph(torch.from_numpy(images).to(self._device))
        return StreamOutput(*(each.float().cpu().numpy() for each in (found if crops else found[:-1])))


class TorchIteration:
    """An iteration in torch, on the GPU where there is one; a :class:`rgbx.inference.runtimes.Graph`."""

    def __init__(self, stream: ICam) -> None:
        self._device = pick_processor().torch
        self._graph = IterationGraph(stream).to(self._device).eval()

    def __call__(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> list[np.ndarray]:
        with torch.inference_mode():
            found = self._graph(**{name: torch.from_numpy(each).to(self._device) for name, each in inputs.items()})
        named = dict(zip(IterationOutput._fields, found, strict=True))
        return [named[name].float().cpu().numpy() for name in outputs]
