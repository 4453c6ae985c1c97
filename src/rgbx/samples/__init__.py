"""Samples: images with the record of all that was drawn for them, written so that work can stop and go on.

Randomisation is data: a sample's seed is a hash of (set, class, index, configuration), its record holds every
value drawn, and the record alone renders the same bytes again.
"""

from rgbx.samples.images import write_image
from rgbx.samples.record import SampleRecord, SetHeader
from rgbx.samples.render import LostSample, render_samples
from rgbx.samples.seeds import SampleKey, generator, sample_seed
from rgbx.samples.sets import SampleSet

__all__ = [
    "LostSample",
    "SampleKey",
    "SampleRecord",
    "SampleSet",
    "SetHeader",
    "generator",
    "render_samples",
    "sample_seed",
    "write_image",
]
