"""A stream as torch computes it, straight from a bundle's weights."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from rgbx.inference.early_exit import PassOutput
from rgbx.inference.runtimes import StreamOutput
from rgbx.models.icam import ICam, Looks
from rgbx.models.processor import pick_processor


class StreamGraph(nn.Module):
    """A stream with the outputs that every runtime gives, in the order of :class:`StreamOutput`; also what is exported.

    Args:
        stream: trained.
    """

    def __init__(self, stream: ICam) -> None:
        super().__init__()
        self.stream = stream

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        output = self.stream(images)
        return output.logits, self.stream.aggregate(output.features), output.cams, output.windows


class PassGraph(nn.Module):
    """One pass of a stream, with the inputs and outputs that :mod:`rgbx.inference.early_exit` speaks of.

    Args:
        stream: trained.
        number: of the pass, from 1.
    """

    def __init__(self, stream: ICam, number: int) -> None:
        super().__init__()
        self.stream = stream
        self._before = number - 1

    def forward(
        self,
        images: torch.Tensor,
        past_seen: torch.Tensor | None = None,
        past_features: torch.Tensor | None = None,
        past_cams: torch.Tensor | None = None,
        past_windows: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, ...]:
        looks = Looks()
        if past_seen is not None and past_features is not None and past_cams is not None and past_windows is not None:
            past = (past_seen,) * self._before  # only the one that this pass looks at a part of is read
            looks = Looks(past, past_windows.unbind(1), past_features.unbind(1), past_cams.unbind(1))
        looks = self.stream.look_closer(images, looks)
        stacked = torch.stack(looks.features, 1)
        return (
            self.stream.classify(stacked),
            self.stream.aggregate(stacked),
            torch.stack(looks.cams, 1),
            torch.stack(looks.windows, 1),
            stacked,
            looks.images[self.stream.config.outer(self._before + 1)],
        )


class TorchRuntime:
    """A stream in torch, on the GPU where there is one."""

    def __init__(self, stream: ICam) -> None:
        self._device = pick_processor().torch
        self._graph = StreamGraph(stream).to(self._device).eval()

    def __call__(self, images: np.ndarray) -> StreamOutput:
        with torch.inference_mode():
            found = self._graph(torch.from_numpy(images).to(self._device))
        return StreamOutput(*(each.float().cpu().numpy() for each in found))


class TorchPass:
    """A pass in torch, on the GPU where there is one; a :class:`rgbx.inference.runtimes.Graph`."""

    def __init__(self, stream: ICam, number: int) -> None:
        self._device = pick_processor().torch
        self._graph = PassGraph(stream, number).to(self._device).eval()

    def __call__(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> list[np.ndarray]:
        with torch.inference_mode():
            found = self._graph(**{name: torch.from_numpy(each).to(self._device) for name, each in inputs.items()})
        named = dict(zip(PassOutput._fields, found, strict=True))
        return [named[name].float().cpu().numpy() for name in outputs]
