"""Activation maps other than the paper's."""

import torch

from rgbx.models.icam import class_activation_map


def layercam(maps: torch.Tensor, weights: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Eq. 1 with negative weights left out, so that only evidence for the class counts (after Jiang et al., 2021).

    Grad-CAM of the last feature map needs no entry: it is Eq. 1, cut off at zero, and has the same maximum.

    Args:
        maps, weights, chosen: as of :func:`~rgbx.models.icam.class_activation_map`.
    """
    return class_activation_map(maps, weights.relu(), chosen)
