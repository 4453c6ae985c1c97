"""Packages that the base install leaves out, and where to get each."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from rgbx.errors import MissingToolError

INSTALLS: dict[str, tuple[str, ...]] = {
    "rgbx": ("onnxruntime", "openvino"),  # a system that has no wheel of one may still use the other
    "rgbx[train]": ("torch", "lightning", "timm", "scipy", "matplotlib"),
    "rgbx[render]": ("SimpleITK", "nibabel", "trimesh", "DracoPy", "numba", "llvmlite", "scipy", "matplotlib", "torch"),
    "rgbx[export]": ("onnx", "onnxscript", "nncf"),
    "rgbx[proving]": ("xraydb", "spekpy", "jinja2", "httpx"),
    "rgbx[line]": (
        "fastapi",
        "starlette",
        "uvicorn",
        "python_multipart",
        "prometheus_client",
        "structlog",
        "argon2",
        "aiomqtt",
        "pymodbus",
        "jinja2",
        "markupsafe",
        "duckdb",
        "scipy",
    ),
    "rgbx[opcua]": ("asyncua", "cryptography"),
}
"""What to install for packages that are imported only where they are needed, by what pip calls it."""
_FIRST_IMPORT = threading.Lock()


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


def import_openvino() -> ModuleType:
    """Import OpenVINO so that it reports to nobody and threads may use it at once.

    - Its telemetry tells a server of each import, from a forked copy of a process that has threads by then. It goes
      without where ``openvino_telemetry`` cannot be imported, and so does NNCF.
    - Its tables of data types are made when they are first asked for. Two threads that do so at once wait for each
      other forever, so they are asked for here.

    Raises:
        MissingToolError: it is not installed.
    """
    with _FIRST_IMPORT, optional_packages():
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # importing it fails from here on
        import openvino

        openvino.Type(openvino.Type.f32.to_dtype())
    return openvino


def import_onnxruntime() -> ModuleType:
    """Import ONNX Runtime so that it reports to nobody: its official builds send events unless this variable is set.

    Raises:
        MissingToolError: it is not installed.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    with optional_packages():
        import onnxruntime
    return onnxruntime
