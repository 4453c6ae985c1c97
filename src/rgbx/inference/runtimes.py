"""What computes a stream's answer: torch, ONNX Runtime or OpenVINO, all behind one call. Only torch's needs torch."""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np
from pydantic import Field

from rgbx.config import Config, build_config
from rgbx.errors import ConfigError, InputError
from rgbx.extras import optional_packages
from rgbx.files import read_json, sha256
from rgbx.models.header import BundleHeader
from rgbx.processes import cores
from rgbx.samples.record import Modality

RuntimeName = Literal["torch", "onnx", "openvino"]
Precision = Literal["f32", "bf16", "int8"]
GRAPHS = "graphs.json"
SUFFIXES: dict[RuntimeName, str] = {"onnx": ".onnx", "openvino": ".xml"}
REMEDY = "run 'rgbx export' on the bundle again"


class StreamOutput(NamedTuple):
    """What a stream says of a batch of B images, n iterations, C classes and K features; all float32."""

    logits: np.ndarray
    """(B, C), of the stream alone."""
    fused_input: np.ndarray
    """(B, K), what the fusion needs."""
    cams: np.ndarray
    """(B, n, h, w), unnormalised."""
    windows: np.ndarray
    """(B, n, 3): left, top and side of what each iteration saw, in 0..1 of the prepared image."""


class StreamRuntime(Protocol):
    """Runs one stream."""

    def __call__(self, images: np.ndarray) -> StreamOutput:
        """Run a (B, 1 or 3, S, S) float32 batch in 0..1, from :func:`rgbx.models.transforms.as_input`."""


class Graphs(Config):
    """``graphs.json``: what was exported from a bundle."""

    kind: Literal["rgbx graphs"] = "rgbx graphs"
    format: Literal[1] = 1
    weights_sha256: str
    """Of the weights that the graphs hold."""
    files: dict[str, str]
    """SHA-256 of each file."""
    parity: dict[str, dict[str, float]]
    """What the export's check against torch found, by graph."""
    refused: dict[str, str] = Field(default_factory=dict)
    """Int8 graphs that were not written, and why."""


class Graph(Protocol):
    """An exported graph."""

    def __call__(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> list[np.ndarray]:
        """Return the ``outputs`` by name, for float32 ``inputs`` of one batch."""


class OnnxGraph:
    """A graph in ONNX Runtime.

    Raises:
        MissingToolError: onnxruntime is not installed.
    """

    def __init__(self, path: Path) -> None:
        with optional_packages():
            import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = cores()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> list[np.ndarray]:
        return self._session.run(list(outputs), dict(inputs))


class OpenVinoGraph:
    """A graph in OpenVINO, in float32: its own choice, bfloat16 where there is, moves crops.

    Raises:
        MissingToolError: openvino is not installed.
    """

    def __init__(self, path: Path) -> None:
        with optional_packages():
            import openvino
        settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": cores()}
        self._model = openvino.Core().compile_model(str(path), "CPU", settings)

    def __call__(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> list[np.ndarray]:
        found = self._model(dict(inputs))
        return [np.array(found[name]) for name in outputs]


class GraphRuntime:
    """A stream's graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def __call__(self, images: np.ndarray) -> StreamOutput:
        return StreamOutput(*self._graph({"images": images}, StreamOutput._fields))


def load_graph(path: Path, name: RuntimeName) -> Graph:
    """Load a graph's file.

    Raises:
        MissingToolError: the runtime is not installed.
    """
    return OnnxGraph(path) if name == "onnx" else OpenVinoGraph(path)


def pick_runtime(folder: Path) -> RuntimeName:
    """Return the fastest runtime that a bundle has been exported for and that is installed; torch if there is none."""
    for name in ("openvino", "onnx"):
        package = "openvino" if name == "openvino" else "onnxruntime"
        if any((folder / "graphs").glob(f"*{SUFFIXES[name]}")) and importlib.util.find_spec(package):
            return name
    return "torch"


def open_graph(
    folder: Path, header: BundleHeader, modality: Modality, name: RuntimeName, precision: Precision = "f32"
) -> StreamRuntime:
    """Open a bundle's exported stream; graphs in int8 are files of their own.

    Raises:
        InputError: it was not exported, or a file is damaged or of other weights.
        MissingToolError: the runtime is not installed.
    """
    path = folder / "graphs" / f"{modality}{'.int8' if precision == 'int8' else ''}{SUFFIXES[name]}"
    graphs = read_graphs(folder)
    if graphs is None or path.name not in graphs.files:
        option = " --int8" if precision == "int8" else ""
        command = f"rgbx export {folder} --format {name}{option}"
        raise InputError(folder, f"was not exported for {name} ({path.name} is missing)", f"run '{command}'")
    if graphs.weights_sha256 != header.weights_sha256:
        raise InputError(path, "was exported from other weights", REMEDY)
    for file in (path, path.with_suffix(".bin")):
        if file.name in graphs.files and (not file.is_file() or sha256(file) != graphs.files[file.name]):
            raise InputError(file, "is missing, damaged or was changed", REMEDY)
    return GraphRuntime(load_graph(path, name))


def read_graphs(folder: Path) -> Graphs | None:
    """Read ``graphs/graphs.json``; None where nothing was exported.

    Raises:
        InputError: it is damaged.
    """
    path = folder / "graphs" / GRAPHS
    if not path.exists():
        return None
    try:
        return build_config(Graphs, read_json(path))
    except ConfigError as error:
        raise InputError(path, f"is damaged ({str(error).rstrip('.')})", REMEDY) from error
