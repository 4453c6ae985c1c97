"""A stream as torch computes it, straight from a bundle's weights."""

import numpy as np
import torch
from torch import nn

from rgbx.inference.runtimes import StreamOutput
from rgbx.models.device import pick_device
from rgbx.models.icam import ICam


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


class TorchRuntime:
    """A stream in torch, on the GPU where there is one."""

    def __init__(self, stream: ICam) -> None:
        self._device = pick_device().torch
        self._graph = StreamGraph(stream).to(self._device).eval()

    def __call__(self, images: np.ndarray) -> StreamOutput:
        with torch.inference_mode():
            found = self._graph(torch.from_numpy(images).to(self._device))
        return StreamOutput(*(each.float().cpu().numpy() for each in found))
