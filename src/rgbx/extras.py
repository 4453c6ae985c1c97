"""Packages that the base install leaves out, and where to get each."""

from collections.abc import Iterator
from contextlib import contextmanager

from rgbx.errors import MissingToolError

INSTALLS: dict[str, tuple[str, ...]] = {
    "rgbx": ("onnxruntime", "openvino"),  # a system that has no wheel of one may still use the other
    "rgbx[train]": ("torch", "lightning", "timm", "scipy", "matplotlib"),
    "rgbx[render]": ("SimpleITK", "nibabel", "trimesh", "DracoPy", "numba", "llvmlite", "scipy", "matplotlib", "torch"),
    "rgbx[export]": ("onnx", "onnxscript", "nncf"),
    "rgbx[proving]": ("xraydb", "spekpy", "jinja2"),
}
"""What to install for packages that are imported only where they are needed, by what pip calls it."""


@contextmanager
def optional_packages(first: str = "rgbx") -> Iterator[None]:
    """Turn the failed import of an optional package into a sentence that says how to get it.

    Args:
        first: what to install where several of :data:`INSTALLS` would do.

    Raises:
        MissingToolError: a package of :data:`INSTALLS` is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        for target in (first, *INSTALLS):
            if error.name in INSTALLS[target]:
                raise MissingToolError(f"{error.name} is not installed: run 'pip install {target}'.") from error
        raise
