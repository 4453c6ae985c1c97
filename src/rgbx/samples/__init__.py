"""Samples: images with the record of all that was drawn for them, written so that work can stop and go on.

Randomisation is data: a sample's seed is a hash of (set, class, index, configuration), its record holds every
value drawn, and the record alone renders the same bytes again.
"""

from rgbx.pictures import encode_image, write_image
from rgbx.samples.executors import choose_executor
from rgbx.samples.jobs import LostSample, RenderedSample, RenderJob
from rgbx.samples.record import SampleRecord, SetHeader
from rgbx.samples.rendering import render_samples, render_set, rendered_sample
from rgbx.samples.seeds import SampleKey, class_keys, generator, sample_seed
from rgbx.samples.sets import SampleSet
from rgbx.samples.shards import WHOLE, Shard

__all__ = [
    "WHOLE",
    "LostSample",
    "RenderJob",
    "RenderedSample",
    "SampleKey",
    "SampleRecord",
    "SampleSet",
    "SetHeader",
    "Shard",
    "choose_executor",
    "class_keys",
    "encode_image",
    "generator",
    "render_samples",
    "render_set",
    "rendered_sample",
    "sample_seed",
    "write_image",
]
