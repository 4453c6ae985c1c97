"""Opening a bundle's streams in a runtime."""

from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np

from rgbx.errors import RgbxError
from rgbx.extras import optional_packages
from rgbx.inference.early_exit import EarlyExit, iteration_graph
from rgbx.inference.runtimes import (
    LOCALISER,
    LOCALISER_OUTPUTS,
    Graph,
    GraphRuntime,
    Mode,
    RuntimeName,
    StreamRuntime,
    open_graph,
    pick_runtime,
)
from rgbx.modality import Modality
from rgbx.models.header import BundleHeader, check_weights, read_bundle_header
from rgbx.models.stream_config import Precision
from rgbx.processes import in_threads
from rgbx.view.find import Localise
from rgbx.view.transform import Transform, as_input


class Streams(NamedTuple):
    """An opened bundle."""

    header: BundleHeader
    streams: dict[Modality, StreamRuntime]
    transforms: dict[Modality, Transform]
    """What prepares the images of each."""


def open_streams(
    folder: Path, runtime: RuntimeName | None, precision: Precision, mode: Mode, early_exit: float | None
) -> Streams:
    """Open all streams of a bundle; the arguments are those of :meth:`rgbx.inference.Predictor.load`.

    Raises:
        InputError: it is no bundle, it is damaged, or it was not exported for the runtime.
        MissingToolError: the runtime is not installed.
        RgbxError: the runtime or the processor lacks the precision.
    """
    name = runtime or pick_runtime(folder)
    if precision != "f32" and name != "openvino":
        raise RgbxError(
            f"{name} computes in float32 only: export the bundle with 'rgbx export' and take --runtime openvino, "
            "or --precision f32."
        )
    if name == "torch":
        return _in_torch(folder, early_exit)
    header = check_weights(folder)

    def opened(modality: Modality) -> StreamRuntime:
        if early_exit is None:
            return GraphRuntime(open_graph(folder, header, modality, name, precision, mode))
        numbers = range(1, header.streams[modality].icam.iterations + 1)
        graphs = [
            open_graph(folder, header, iteration_graph(modality, number), name, precision, mode, " --early-exit")
            for number in numbers
        ]
        return EarlyExit(graphs, early_exit)

    modalities = list(header.streams)
    streams = dict(zip(modalities, in_threads(opened, modalities), strict=True))  # compiled side by side
    localise = None
    if any(config.localises for config in header.streams.values()):
        localise = _by_graph(open_graph(folder, header, LOCALISER, name))
    return Streams(header, streams, _transforms(header, localise))


def open_transforms(folder: Path) -> dict[Modality, Transform]:
    """Return what prepares the images of each of a bundle's streams; torch is needed if one has a localiser.

    Raises:
        InputError: it is no bundle, or it is damaged.
        MissingToolError: torch is not installed.
    """
    header = read_bundle_header(folder)
    if any(config.localises for config in header.streams.values()):
        return _in_torch(folder, None).transforms
    return _transforms(header, None)


def _transforms(header: BundleHeader, localise: Localise | None) -> dict[Modality, Transform]:
    return {
        modality: Transform(modality, config.transform, localise if config.localises else None)
        for modality, config in header.streams.items()
    }


def _by_graph(graph: Graph) -> Localise:
    lock = Lock()  # OpenVINO answers one call at a time

    def localise(photograph: np.ndarray) -> np.ndarray:
        with lock:
            (found,) = graph({"photographs": as_input(photograph[None])}, LOCALISER_OUTPUTS)
        return found[0]

    return localise


def _in_torch(folder: Path, early_exit: float | None) -> Streams:
    with optional_packages():
        from rgbx.inference.torch_runtime import TorchIteration, TorchRuntime
        from rgbx.models import bundle
        from rgbx.models.icam import ICam
        from rgbx.models.localiser import in_torch

    header, network = bundle.load_bundle(folder)
    streams: dict[Modality, StreamRuntime] = {}
    localise = None
    for modality, config in header.streams.items():
        stream: ICam = network.streams[modality]  # type: ignore[assignment]
        if early_exit is None:
            streams[modality] = TorchRuntime(stream)
        else:
            streams[modality] = EarlyExit([TorchIteration(stream)] * config.icam.iterations, early_exit)
        if stream.localiser is not None:
            localise = in_torch(stream.localiser)  # type: ignore[arg-type]
    return Streams(header, streams, _transforms(header, localise))
