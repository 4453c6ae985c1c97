"""Training with the attention itself: hide what it found (WS-DAN), or ask what it is worth (CAL).

Each costs one more pass in training, none in use.
"""

import torch

from rgbx.models.windows import sample_window, upsample
from rgbx.training.losses import Step

DROP_THRESHOLD = (0.2, 0.5)
"""Between a map's minimum, 0, and its maximum, 1: what is hotter is hidden; drawn for each image."""


def attention_drop(step: Step) -> torch.Tensor:
    """Return the loss on images whose hottest parts are hidden: the network learns to find a second reason."""
    hidden = hide_hottest(step.images, step.output.cams[:, 0], step.generator)
    return step.cross_entropy(step.stream(hidden, iterations=1).logits, step.labels)


def counterfactual(step: Step) -> torch.Tensor:
    """Return the loss on what the second iteration's crop says beyond a crop at random.

    So attention is paid for what it adds; 0 where there is one iteration.
    """
    if step.output.windows.shape[1] < 2:
        return step.output.logits.new_zeros(())
    elsewhere = windows_elsewhere(step.output.windows[:, 1], step.generator)
    crops = sample_window(step.images, elsewhere, step.stream.input_shape)
    without = step.stream.classifier(step.stream.feature_maps(crops, 1).mean((2, 3)))
    return step.cross_entropy(step.output.iteration_logits[:, 1] - without, step.labels)


def hide_hottest(images: torch.Tensor, cams: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Fill the hottest parts of images with the images' means (attention drop; Hu et al., 2019).

    Args:
        images: (B, C, H, W).
        cams: (B, h, w), their class activation maps.
        generator: of the thresholds.
    """
    heat = upsample(cams.detach(), (images.shape[-2], images.shape[-1]))
    low, high = heat.amin((1, 2), keepdim=True), heat.amax((1, 2), keepdim=True)
    share = torch.rand(len(images), generator=generator).to(images.device)
    threshold = DROP_THRESHOLD[0] + share * (DROP_THRESHOLD[1] - DROP_THRESHOLD[0])
    hidden = heat > low + threshold[:, None, None] * (high - low)
    return torch.where(hidden[:, None], images.mean((2, 3), keepdim=True), images)


def windows_elsewhere(windows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return (B, 3) windows as large as the given ones, anywhere in the image (counterfactual attention; Rao et al.,
    2021)."""
    side = windows[:, 2:]
    place = torch.rand(len(windows), 2, generator=generator).to(windows.device)
    return torch.cat([place * (1 - side), side], 1)
