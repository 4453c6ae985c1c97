"""What computes a stream's answer: torch, ONNX Runtime or OpenVINO, all behind one call. Only torch's needs torch."""

import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from pydantic import Field

from rgbx.config import Config, build_record
from rgbx.errors import InputError, RgbxError
from rgbx.extras import import_onnxruntime, import_openvino
from rgbx.files import read_json
from rgbx.models.header import BundleHeader
from rgbx.models.seal import sealed
from rgbx.models.stream_config import Precision
from rgbx.processes import cores

RuntimeName = Literal["torch", "onnx", "openvino"]
Mode = Literal["latency", "throughput", "pairs"]
"""``latency``: all cores work on one batch. ``throughput``: they share out its images. ``pairs``: both images of a
device are looked at at once, each on half of the cores, which then wait for each other less."""
FOLDER, GRAPHS = "graphs", "graphs.json"
LOCALISER = "localiser"
"""Name of the graph that finds devices in photographs: ``photographs``, (B, 3, 96, 96), in."""
LOCALISER_OUTPUTS = ("probabilities",)
GRAPH_SUFFIXES: dict[RuntimeName, str] = {"onnx": ".onnx", "openvino": ".xml"}
_REMEDY = "run 'rgbx export' on the bundle again"


class StreamOutput(NamedTuple):
    """What a stream says of a batch of B images, n iterations, C classes and K features; all float32."""

    logits: np.ndarray
    """(B, C), of the stream alone."""
    fused_input: np.ndarray
    """(B, K), what the fusion needs."""
    cams: Iterable[np.ndarray]
    """(B, n, h, w), unnormalised; B arrays (i, h, w) with early exit, i ≤ n."""
    windows: Iterable[np.ndarray]
    """(B, n, 3): left, top and side of what each iteration saw, in 0..1 of the prepared image; B arrays (i, 3) with
    early exit."""
    crops: Iterable[np.ndarray] | None = None
    """(B, n, 1 or 3, H, W) in 0..1, what each iteration saw; B arrays (i, …) with early exit. None unless asked for."""


STREAM_OUTPUTS = StreamOutput._fields
"""Names of what a stream's graph gives."""


class StreamRuntime(Protocol):
    """Runs one stream."""

    def __call__(self, images: np.ndarray, crops: bool = False) -> StreamOutput:
        """Run a batch.

        Args:
            images: (B, 1 or 3, H, W) float32 in 0..1, from :func:`rgbx.view.transform.as_input`.
            crops: whether to return them; they are computed anyway, but large.
        """


class Graphs(Config):
    """``graphs.json``: what was exported from a bundle."""

    kind: Literal["rgbx graphs"] = "rgbx graphs"
    format: Literal[2] = 2
    weights_sha256: str
    """Of the weights that the graphs hold."""
    files: tuple[str, ...]
    parity: dict[str, dict[str, float]]
    """What the export's check against torch found, by graph."""
    refused: dict[str, str] = Field(default_factory=dict)
    """Int8 graphs that were not written, and why."""


class Graph(Protocol):
    """An exported graph."""

    def __call__(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> list[np.ndarray]:
        """Return the ``outputs`` by name, for float32 ``inputs`` of one batch."""


class OnnxGraph:
    """A graph in ONNX Runtime, which shares out no images.

    Raises:
        MissingToolError: onnxruntime is not installed.
    """

    def __init__(self, path: Path, mode: Mode = "latency") -> None:
        onnxruntime = import_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = _threads(mode)
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> list[np.ndarray]:
        return self._session.run(list(outputs), dict(inputs))


class OpenVinoGraph:
    """A graph in OpenVINO, in float32 unless asked: its own choice, bfloat16 where there is, moves crops.

    Raises:
        MissingToolError: openvino is not installed.
        RgbxError: the processor lacks the precision.
    """

    def __init__(self, path: Path, precision: Precision = "f32", mode: Mode = "latency") -> None:
        openvino = import_openvino()
        core = openvino.Core()
        if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise RgbxError("This processor has no instructions for bfloat16: take --precision f32.")
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "PERFORMANCE_HINT": "THROUGHPUT" if mode == "throughput" else "LATENCY",
            "INFERENCE_NUM_THREADS": _threads(mode),
            "ENABLE_CPU_PINNING": mode != "pairs",  # both graphs would be pinned to the same cores
        }
        self._model = core.compile_model(str(path), "CPU", settings)
        self._requests = openvino.AsyncInferQueue(self._model) if mode == "throughput" else None

    def __call__(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> list[np.ndarray]:
        if self._requests is not None:
            return _share_out(self._requests, inputs, outputs)
        found = self._model(dict(inputs))
        return [np.array(found[name]) for name in outputs]


def _share_out(requests: Any, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> list[np.ndarray]:
    """Run each image by itself, as many at a time as OpenVINO's queue of ``requests`` has."""
    answers: dict[int, list[np.ndarray]] = {}

    def keep(request: Any, place: int) -> None:
        answers[place] = [request.get_tensor(name).data.copy() for name in outputs]

    requests.set_callback(keep)
    count = len(next(iter(inputs.values())))
    for place in range(count):
        requests.start_async({name: each[place : place + 1] for name, each in inputs.items()}, place)
    requests.wait_all()
    return [np.concatenate(parts) for parts in zip(*(answers[place] for place in range(count)), strict=True)]


class GraphRuntime:
    """A stream's graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def __call__(self, images: np.ndarray, crops: bool = False) -> StreamOutput:
        """See :class:`StreamRuntime`."""
        return StreamOutput(*self._graph({"images": images}, STREAM_OUTPUTS if crops else STREAM_OUTPUTS[:-1]))


def load_graph(path: Path, name: RuntimeName, precision: Precision = "f32", mode: Mode = "latency") -> Graph:
    """Load a graph's file.

    Raises:
        MissingToolError: the runtime is not installed.
        RgbxError: the processor lacks the precision.
    """
    return OnnxGraph(path, mode) if name == "onnx" else OpenVinoGraph(path, precision, mode)


def _threads(mode: Mode) -> int:
    return max(1, cores() // 2) if mode == "pairs" else cores()


def pick_runtime(folder: Path) -> RuntimeName:
    """Return the fastest runtime that a bundle has been exported for and that is installed; torch if there is none."""
    for name in ("openvino", "onnx"):
        package = "openvino" if name == "openvino" else "onnxruntime"
        if any((folder / FOLDER).glob(f"*{GRAPH_SUFFIXES[name]}")) and importlib.util.find_spec(package):
            return name
    return "torch"


def open_graph(
    folder: Path,
    header: BundleHeader,
    graph: str,
    name: RuntimeName,
    precision: Precision = "f32",
    mode: Mode = "latency",
    option: str = "",
) -> Graph:
    """Open one of a bundle's exported graphs.

    Args:
        folder: of the bundle.
        header: of the bundle.
        graph: its name, e.g. ``"rgb"``.
        name: of the runtime.
        precision: to compute with; graphs in int8 are files of their own, and where the export refused that of one
            stream but not that of the other, the one stays in float32.
        mode: what to be fast at.
        option: of ``rgbx export``, without which the graph is not written.

    Raises:
        InputError: it was not exported, or a file is damaged or of other weights.
        MissingToolError: the runtime is not installed.
        RgbxError: the processor lacks the precision.
    """
    graphs = read_graphs(folder)
    path = folder / FOLDER / f"{graph}{'.int8' if precision == 'int8' else ''}{GRAPH_SUFFIXES[name]}"
    if graphs is not None and path.name in graphs.refused and any(".int8" in file for file in graphs.files):
        path = folder / FOLDER / f"{graph}{GRAPH_SUFFIXES[name]}"  # the other stream's int8 graph was good enough
    if graphs is None or path.name not in graphs.files:
        options = f"{' --int8' if precision == 'int8' else ''}{option}"
        command = f"rgbx export {folder} --format {name}{options}"
        raise InputError(folder, f"was not exported for {name} ({path.name} is missing)", f"run '{command}'")
    if graphs.weights_sha256 != header.weights_sha256:
        raise InputError(path, "was exported from other weights", _REMEDY)
    for file in (GRAPHS, path.name, path.with_suffix(".bin").name):
        if file in (GRAPHS, *graphs.files):
            sealed(folder, f"{FOLDER}/{file}", _REMEDY)
    return load_graph(path, name, precision, mode)


def read_graphs(folder: Path) -> Graphs | None:
    """Read ``graphs/graphs.json``; None where nothing was exported.

    Raises:
        InputError: it is damaged, or of another version of rgbx.
    """
    path = folder / FOLDER / GRAPHS
    if not path.exists():
        return None
    return build_record(Graphs, read_json(path), path, _REMEDY)
