"""Opening a bundle's streams in a runtime."""

from pathlib import Path

from rgbx.errors import RgbxError
from rgbx.extras import optional_packages
from rgbx.inference.early_exit import EarlyExit, iteration_graph
from rgbx.inference.runtimes import GraphRuntime, Mode, RuntimeName, StreamRuntime, open_graph, pick_runtime
from rgbx.modality import Modality
from rgbx.models.header import BundleHeader, check_weights
from rgbx.models.stream_config import Precision
from rgbx.processes import in_threads

Streams = tuple[BundleHeader, dict[Modality, StreamRuntime]]


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
    return header, dict(zip(modalities, in_threads(opened, modalities), strict=True))  # compiled side by side


def _in_torch(folder: Path, early_exit: float | None) -> Streams:
    with optional_packages():
        from rgbx.inference.torch_runtime import TorchIteration, TorchRuntime
        from rgbx.models import bundle
        from rgbx.models.icam import ICam

    header, network = bundle.load_bundle(folder)
    streams: dict[Modality, StreamRuntime] = {}
    for modality, config in header.streams.items():
        stream: ICam = network.streams[modality]  # type: ignore[assignment]
        if early_exit is None:
            streams[modality] = TorchRuntime(stream)
        else:
            streams[modality] = EarlyExit([TorchIteration(stream)] * config.icam.iterations, early_exit)
    return header, streams
