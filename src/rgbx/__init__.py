"""RGB-X: tell near-identical devices apart by their outside (RGB) and their inside (X-ray).

What is in ``__all__`` is the public API; see :mod:`rgbx.api` for what each part needs installed. Everything else is
semi-private: it may be used, and it may change between versions. Nothing is imported before it is used, so that
``import rgbx`` is instant.

The packages follow the flow of data; each imports only from those before it:

    devices → samples → radiography | photography → datasets → models → training
            → trust → inference → evaluation → api → cli
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
    "open_library": "rgbx.api.render",
    "open_set": "rgbx.api.line",
    "predictor_of": "rgbx.api.train",
    "radiograph": "rgbx.api.render",
    "random_radiograph": "rgbx.api.render",
    "render_draw": "rgbx.api.render",
    "render_photographs": "rgbx.api.render",
    "render_radiographs": "rgbx.api.render",
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
