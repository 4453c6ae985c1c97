"""Reading the files of weights that users give; nothing in them is ever run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from rgbx.errors import InputError


def read_state_dict(path: Path, remedy: str) -> Mapping[str, Any]:
    """Read a file of safetensors, or of ``torch.save``.

    Args:
        path: of the file.
        remedy: what to give instead of a file that is missing.

    Raises:
        InputError: the file is missing or damaged, or holds something else.
    """
    if not path.is_file():
        raise InputError(path, "does not exist", remedy)
    try:
        if path.suffix == ".safetensors":
            tensors: Any = safetensors.torch.load_file(path)
        else:
            tensors = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # a damaged pickle raises almost anything
        raise InputError(path, "is no file of weights", "give a safetensors file or a state dict") from error
    if not isinstance(tensors, Mapping):
        raise InputError(path, "is no state dict", "give a safetensors file or a state dict")
    return tensors
