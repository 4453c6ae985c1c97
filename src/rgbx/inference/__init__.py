"""Inference: one path from images to a prediction, for the command line, evaluation, explanation and a line."""

from rgbx.inference.predictor import Encoded, Prediction, Predictor, View

__all__ = ["Encoded", "Prediction", "Predictor", "View"]
