"""Training: the two streams one after the other, then their fusion."""

from rgbx.training.fusion_stage import train_fusion
from rgbx.training.settings import FusionTraining, StreamTraining, stream_training
from rgbx.training.stream_stage import train_stream

__all__ = ["FusionTraining", "StreamTraining", "stream_training", "train_fusion", "train_stream"]
