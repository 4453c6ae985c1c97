"""Training: the two streams one after the other, then their fusion."""

from rgbx.training.config import FusionTraining, StreamTraining, stream_training
from rgbx.training.fusion import train_fusion
from rgbx.training.streams import train_stream

__all__ = ["FusionTraining", "StreamTraining", "stream_training", "train_fusion", "train_stream"]
