"""The detector of SuperPoint: which points of an image can be found again from elsewhere.

The network of DeTone et al. ("SuperPoint: Self-Supervised Interest Point Detection and Description", 2018) without its
descriptors, in any width. The weights that come with rgbx are its own, trained by ``scripts/train_keypoints.py``; files
in the layout of the original (``superpoint_v1.pth``) load as well. Magic Leap's weights are for non-commercial research
only, so they are neither shipped nor fetched.
"""

from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import nn
from torch.nn import functional as F

from rgbx.errors import InputError
from rgbx.weights import read_state_dict

SHIPPED = "superpoint.safetensors"
_CELL = 8
"""Side of the cells the network divides an image into, pixels: three poolings."""
LAYERS = ("conv1a", "conv1b", "conv2a", "conv2b", "conv3a", "conv3b", "conv4a", "conv4b", "convPa", "convPb")
"""Convolutions in order, named as in the original."""
BORDER = 4
"""So many pixels at the image's edge have no keypoints; the original's."""


class SuperPoint(nn.Module):
    """Encoder (3 × 3 convolutions in pairs, pooled three times) and detector head.

    Args:
        widths: channels of the four pairs; 64, 64, 128, 128 in the original.
        head: channels of the detector head; 256 in the original.
    """

    def __init__(self, widths: tuple[int, int, int, int] = (16, 32, 64, 64), head: int = 128) -> None:
        super().__init__()
        channels = 1
        for stage, width in enumerate(widths, start=1):
            for part in "ab":
                self.add_module(f"conv{stage}{part}", nn.Conv2d(channels, width, 3, padding=1))
                channels = width
        self.convPa = nn.Conv2d(channels, head, 3, padding=1)
        self.convPb = nn.Conv2d(head, _CELL**2 + 1, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return (B, 65, H/8, W/8) logits for (B, 1, H, W) images in [0, 1]: a cell's 64 pixels, and "none"."""
        features = images
        for name in LAYERS[:-1]:
            features = F.relu(self.get_submodule(name)(features), inplace=True)
            if name in ("conv1b", "conv2b", "conv3b"):
                features = F.max_pool2d(features, 2)
        return self.convPb(features)


def heat_map(logits: torch.Tensor) -> torch.Tensor:
    """Turn (B, 65, h, w) logits into (B, 8h, 8w) probabilities of a keypoint."""
    return F.pixel_shuffle(logits.softmax(dim=1)[:, :-1], _CELL)[:, 0]


def find_peaks(heat: np.ndarray, threshold: float, radius: int, border: int = BORDER) -> np.ndarray:
    """Return the (N, 2) x and y of the highest values of an (H, W) map, highest first.

    Greedy non-maximum suppression: a value is taken if it is above ``threshold`` and no higher one within ``radius``
    pixels along x and y was taken.
    """
    y, x = np.nonzero(heat > threshold)
    inside = (x >= border) & (x < heat.shape[1] - border) & (y >= border) & (y < heat.shape[0] - border)
    y, x = y[inside], x[inside]
    suppressed = np.zeros((heat.shape[0] + 2 * radius, heat.shape[1] + 2 * radius), bool)
    peaks = []
    for place in np.argsort(-heat[y, x], kind="stable"):
        column, row = int(x[place]), int(y[place])
        if not suppressed[row + radius, column + radius]:
            peaks.append((column, row))
            suppressed[row : row + 2 * radius + 1, column : column + 2 * radius + 1] = True
    return np.array(peaks, int).reshape(-1, 2)


class KeypointDetector:
    """A network ready to find keypoints: on the CPU, with one thread, so that the same image gives the same points."""

    def __init__(self, network: SuperPoint) -> None:
        self._network = network.eval().to(memory_format=torch.channels_last)

    def heat(self, image: np.ndarray) -> np.ndarray:
        """Return the (H, W) probabilities of a keypoint in an (H, W) float32 image in [0, 1]; H, W multiples of 8."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                batch = torch.from_numpy(np.ascontiguousarray(image, np.float32))[None, None]
                return heat_map(self._network(batch.to(memory_format=torch.channels_last)))[0].numpy()
        finally:
            torch.set_num_threads(threads)

    def keypoints(self, image: np.ndarray, threshold: float, radius: int) -> np.ndarray:
        """Return the (N, 2) x and y of keypoints, the surest first; see :func:`find_peaks`."""
        return find_peaks(self.heat(image), threshold, radius)


@cache
def load_detector(weights: Path | None) -> KeypointDetector:
    """Load a detector; the one that comes with rgbx when ``weights`` is None. Once per process.

    Raises:
        InputError: the file is missing, damaged or of another network.
    """
    return KeypointDetector(read_network(weights or Path(str(resources.files("rgbx_render.radiography") / SHIPPED))))


def read_network(path: Path) -> SuperPoint:
    """Read a network from a file of safetensors or ``torch.save``; its widths follow from the weights.

    Layers other than the detector's (the original's descriptors) are left out.

    Raises:
        InputError: the file is missing, damaged or of another network.
    """
    tensors = read_state_dict(path, "give the path of a file of SuperPoint weights")
    remedy = "give SuperPoint weights with layers conv1a … conv4b, convPa and convPb, as in superpoint_v1.pth"
    try:
        widths = [len(tensors[f"conv{stage}a.bias"]) for stage in (1, 2, 3, 4)]
        network = SuperPoint((widths[0], widths[1], widths[2], widths[3]), len(tensors["convPa.bias"]))
        network.load_state_dict({name: tensors[name] for name in network.state_dict()})
    except KeyError as error:
        raise InputError(path, f"has no layer {error.args[0]}", remedy) from error
    except (RuntimeError, TypeError) as error:
        raise InputError(path, "holds weights of another network", remedy) from error
    if not all(torch.isfinite(tensor).all() for tensor in network.state_dict().values()):
        raise InputError(path, "holds weights that are not finite", "restore the file")
    return network


def write_network(network: SuperPoint) -> bytes:
    """Return the content of a file of safetensors with the network's weights in half precision."""
    return safetensors.torch.save({name: tensor.half().contiguous() for name, tensor in network.state_dict().items()})
