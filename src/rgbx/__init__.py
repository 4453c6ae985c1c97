"""RGB-X: tell near-identical devices apart by their outside (RGB) and their inside (X-ray).

What is in ``__all__`` is the public API; see :mod:`rgbx.api` for what each part needs installed. Everything else is
semi-private: it may be used, and it may change between versions. Nothing is imported before it is used, so that
``import rgbx`` is instant.

The packages follow the flow of data; each imports only from those before it:

    samples → datasets → view → models → training → trust → inference → evaluation → api → cli

What renders training images is a package of its own, :mod:`rgbx_render`, and so is the benchmark, ``rgbx_proving``.
Both stand on this one, which imports neither.
"""

from importlib import import_module
from typing import Any

__version__ = "0.2.0"

_HOMES = {
    "ConfigError": "rgbx.errors",
    "InputError": "rgbx.errors",
    "MissingToolError": "rgbx.errors",
    "Prediction": "rgbx.inference",
    "Predictor": "rgbx.inference",
    "RgbxError": "rgbx.errors",
    "SampleSet": "rgbx.samples",
    "calibrate": "rgbx.api.train",
    "create_stream": "rgbx.api.train",
    "evaluate": "rgbx.api.train",
    "export": "rgbx.api.train",
    "load": "rgbx.api.line",
    "open_library": "rgbx_render.api",
    "open_set": "rgbx.api.line",
    "predictor_of": "rgbx.api.train",
    "radiograph": "rgbx_render.api",
    "random_radiograph": "rgbx_render.api",
    "render_draw": "rgbx_render.api",
    "render_photographs": "rgbx_render.api",
    "render_radiographs": "rgbx_render.api",
    "train_fusion": "rgbx.api.train",
    "train_stream": "rgbx.api.train",
}
"""Where each public name is made; ``__init__.pyi`` says the same to type checkers."""

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'rgbx' has no attribute '{name}'")
    globals()[name] = found = getattr(import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
