"""What a stream makes of images: its aggregated features, which the classifier and the fusion see."""

import numpy as np
import torch

from rgbx.datasets.labelled import LabelledImages
from rgbx.models.icam import ICam
from rgbx.models.processor import keep_freed_memory, pick_processor
from rgbx.progress import track
from rgbx.training.augmentation import AugmentConfig, augment, batch_generator
from rgbx.training.batches import Batches

ENCODING_BATCH = 32


@torch.no_grad()
def encode_features(
    stream: ICam, images: LabelledImages, config: AugmentConfig | None, views: int, seed: int
) -> torch.Tensor:
    """Return the stream's aggregated features of augmented views of ``images``, (views, N, K).

    Args:
        stream: frozen, statistics included.
        images: N prepared images.
        config: how to augment; None takes the images as they are.
        views: how many differently augmented copies of each.
        seed: of the augmentation.
    """
    device = pick_processor().torch
    keep_freed_memory()
    stream = stream.to(device).eval()
    batches = Batches(images, np.arange(len(images)), ENCODING_BATCH)
    features = []
    work = [(view, place) for view in range(views) for place in range(len(batches))]
    for view, place in track(work, f"encoding {images.modality}", total=len(work)):
        number, pixels, _ = batches[place]
        inputs = pixels.to(device)
        if config is not None:
            inputs = augment(inputs, config, batch_generator(seed, view, number))
        features.append(stream.aggregate(stream(inputs).features).cpu())
    return torch.cat(features).view(views, len(images), -1)
