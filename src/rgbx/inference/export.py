"""Export: each stream, and both with their fusion, as one graph for ONNX Runtime and OpenVINO, crops included.

What is exported has to answer as torch does, or it is not written.
"""

import logging
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import nn

from rgbx.errors import ConfigError, RgbxError
from rgbx.extras import import_openvino, optional_packages
from rgbx.files import atomic_folder, write_json
from rgbx.inference.early_exit import EarlyExit, IterationOutput, iteration_graph, next_inputs
from rgbx.inference.int8 import SAME_PLACE, Int8Gates, compare_int8, failed_gate, quantise
from rgbx.inference.runtimes import (
    FOLDER,
    GRAPH_SUFFIXES,
    GRAPHS,
    LOCALISER,
    LOCALISER_OUTPUTS,
    STREAM_OUTPUTS,
    Graph,
    Graphs,
    RuntimeName,
    load_graph,
)
from rgbx.inference.torch_runtime import IterationGraph, StreamGraph, TorchRuntime
from rgbx.modality import MODALITIES, Modality
from rgbx.models import bundle
from rgbx.models.bundle import Bundle
from rgbx.models.icam import ICam
from rgbx.models.network import RgbXNetwork
from rgbx.models.seal import seal
from rgbx.progress import track
from rgbx.view.find import LOCATED_SIZE
from rgbx.view.transform import as_input

SAME_CLASSES, SAME_CROPS = 0.999, 0.995
"""Shares of images on which a graph and torch have to give the same class, and the same crops. Now and then a map is as
high in two places, but for the last digit of a float; then the crops differ and both are right."""
CHECKED = 64
"""Images made up for the check where none are given."""
ITERATIONS = ".iterations"
"""Ends the name under which the check speaks of all iterations of a stream, one graph each."""
SAME_PROBABILITY = 1e-3
_BATCH = 16
_PHOTOGRAPHS = torch.rand(4, 3, LOCATED_SIZE, LOCATED_SIZE, generator=torch.Generator().manual_seed(0))
"""What a localiser's graph is written and checked with."""


class PairGraph(nn.Module):
    """Both streams and their fusion in one graph: ``rgb`` and ``xray`` in, the fused logits and each stream's out.

    Args:
        network: of a fused bundle.
    """

    def __init__(self, network: RgbXNetwork) -> None:
        super().__init__()
        self.streams = nn.ModuleDict({modality: StreamGraph(network.streams[modality]) for modality in MODALITIES})  # type: ignore[arg-type]
        self.fusion = network.fusion

    def forward(self, rgb: torch.Tensor, xray: torch.Tensor) -> tuple[torch.Tensor, ...]:
        found = {"rgb": self.streams["rgb"](rgb), "xray": self.streams["xray"](xray)}
        fused = self.fusion({modality: each[1] for modality, each in found.items()})  # type: ignore[misc]
        return fused, *found["rgb"], *found["xray"]


PAIR_OUTPUTS = ("logits", *(f"{modality}_{name}" for modality in MODALITIES for name in STREAM_OUTPUTS))


def export_bundle(
    folder: Path,
    formats: Sequence[RuntimeName],
    images: Mapping[Modality, Sequence[np.ndarray]] | None = None,
    labels: Mapping[Modality, np.ndarray] | None = None,
    int8: Int8Gates | None = None,
    early_exit: bool = False,
) -> Graphs:
    """Write a bundle's graphs into its folder ``graphs``, in place of earlier ones, once they agree with torch.

    Args:
        folder: of the bundle.
        formats: ``"onnx"``, ``"openvino"`` or both.
        images: prepared images of each modality to check with; made up when None.
        labels: (n,) the index of each image's class; int8 needs them.
        int8: also write each stream for OpenVINO in int8, where it passes these gates; not when None.
        early_exit: also write each iteration of each stream as a graph of its own.

    Returns:
        What was written, with what the check found: the largest difference of logits, the shares of equal classes and
        of equal crops; and which int8 graphs were refused.

    Raises:
        RgbxError: a graph does not agree with torch; nothing is written then.
        MissingToolError: what exports or runs a format is not installed.
        ConfigError: int8 is asked for without OpenVINO's format or labelled images.
        InputError: the folder is no bundle.
    """
    if int8 is not None and (images is None or labels is None or "openvino" not in formats):
        raise ConfigError("int8 graphs are OpenVINO's and are checked on labelled images: give sets, and that format.")
    loaded = bundle.load_bundle(folder)
    checked = {
        modality: images[modality] if images else made_up_images(modality, config.transform.source_shape)
        for modality, config in loaded.header.streams.items()
    }
    fresh, target = folder / f".{FOLDER}", folder / FOLDER
    shutil.rmtree(fresh, ignore_errors=True)
    with atomic_folder(fresh) as new:
        names = _write_graphs(loaded, checked, formats, new, early_exit)
        written = list(product(formats, names))
        parity = {
            f"{name}{GRAPH_SUFFIXES[format]}": _parity(loaded, name, format, new, checked)
            for format, name in track(written, "checking graphs", total=len(written))
        }
        if (localiser := _localiser(loaded)) is not None:
            files = {f"{LOCALISER}{GRAPH_SUFFIXES[format]}": format for format in formats}
            parity |= {name: _localiser_parity(localiser, new / name, format) for name, format in files.items()}
        refused: dict[str, str] = {}
        if int8 is not None and labels is not None:
            found, refused = _write_int8(loaded, checked, labels, int8, new)
            parity |= found
        graphs = Graphs(
            weights_sha256=loaded.header.weights_sha256,
            files=tuple(sorted(path.name for path in new.iterdir())),
            parity=parity,
            refused=refused,
        )
        write_json(new / GRAPHS, graphs.model_dump(mode="json"))
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
    seal(folder, [f"{FOLDER}/{name}" for name in (*graphs.files, GRAPHS)])
    return graphs


def _write_int8(
    loaded: Bundle,
    images: Mapping[Modality, Sequence[np.ndarray]],
    labels: Mapping[Modality, np.ndarray],
    gates: Int8Gates,
    folder: Path,
) -> tuple[dict[str, dict[str, float]], dict[str, str]]:
    """Write the int8 graphs that pass their gates; return what was found of those, and why the others were refused."""
    found: dict[str, dict[str, float]] = {}
    refused: dict[str, str] = {}
    for modality in loaded.header.streams:
        path = folder / f"{modality}.int8.xml"
        quantise(folder / f"{modality}.xml", path, images[modality])
        agreement = compare_int8(path, TorchRuntime(_stream(loaded, modality)), images[modality], labels[modality])
        if fault := failed_gate(agreement, gates):
            refused[path.name] = fault
            path.unlink()
            path.with_suffix(".bin").unlink()
        else:
            found[path.name] = agreement
    return found, refused


def made_up_images(modality: Modality, shape: tuple[int, int], count: int = CHECKED) -> list[np.ndarray]:
    """Return smooth random images of a (height, width) as a stream's transform would give them."""
    rng = np.random.default_rng(0)
    channels = 3 if modality == "rgb" else 1
    coarse = torch.from_numpy(rng.random((count, channels, 12, 12), np.float32))
    smooth = nn.functional.interpolate(coarse, shape, mode="bicubic").clamp(0, 1).numpy()
    if modality == "rgb":
        return list((255 * smooth).astype(np.uint8).transpose(0, 2, 3, 1))
    return list((65535 * smooth[:, 0]).astype(np.uint16))


def _write_graphs(
    loaded: Bundle,
    images: Mapping[Modality, Sequence[np.ndarray]],
    formats: Sequence[RuntimeName],
    out: Path,
    early_exit: bool,
) -> list[str]:
    """Write every graph in every format; return what is to be checked, ``"rgb.iterations"`` for those of a stream."""
    examples = {
        modality: torch.from_numpy(as_input(np.stack([each[0], each[-1]]))) for modality, each in images.items()
    }
    graphs: dict[str, tuple[nn.Module, dict[str, torch.Tensor], Sequence[str]]] = {
        modality: (StreamGraph(_stream(loaded, modality)), {"images": example}, STREAM_OUTPUTS)
        for modality, example in examples.items()
    }
    if loaded.header.fused:
        graphs["rgbx"] = (PairGraph(loaded.network), {name: examples[name] for name in MODALITIES}, PAIR_OUTPUTS)
    names = list(graphs)
    if early_exit:
        for modality, example in examples.items():
            graphs |= _iteration_graphs(_stream(loaded, modality), modality, example)
            names.append(f"{modality}{ITERATIONS}")
    if (localiser := _localiser(loaded)) is not None:
        graphs[LOCALISER] = (localiser, {"photographs": _PHOTOGRAPHS[:2]}, LOCALISER_OUTPUTS)
    for name, (graph, inputs, outputs) in track(graphs.items(), "exporting", total=len(graphs)):
        _write_onnx(graph.eval(), inputs, outputs, out / f"{name}.onnx")
    if "openvino" in formats:
        openvino = import_openvino()
        for name in graphs:
            model = openvino.convert_model(out / f"{name}.onnx")
            openvino.save_model(model, out / f"{name}.xml", compress_to_fp16=False)
    if "onnx" not in formats:  # they were the way to OpenVINO's
        for name in graphs:
            (out / f"{name}.onnx").unlink()
    return names


def _iteration_graphs(
    stream: ICam, modality: Modality, images: torch.Tensor
) -> dict[str, tuple[nn.Module, dict[str, torch.Tensor], Sequence[str]]]:
    """Return each iteration of a stream as :func:`_write_onnx` takes it, by name."""
    graphs: dict[str, tuple[nn.Module, dict[str, torch.Tensor], Sequence[str]]] = {}
    inputs = {"images": images}
    for number in range(1, stream.config.iterations + 1):
        graph = IterationGraph(stream).eval()
        graphs[iteration_graph(modality, number)] = (graph, inputs, IterationOutput._fields)
        with torch.no_grad():
            found = dict(zip(IterationOutput._fields, graph(**inputs), strict=True))
        inputs = next_inputs(images, found)
    return graphs


def _write_onnx(graph: nn.Module, inputs: Mapping[str, torch.Tensor], outputs: Sequence[str], path: Path) -> None:
    batch = torch.export.Dim("batch", min=1, max=4096)
    with optional_packages():
        import onnxscript  # noqa: F401 (torch's exporter needs it)
    with _quiet():
        try:
            program = torch.onnx.export(
                graph,
                tuple(inputs.values()),
                dynamo=True,
                dynamic_shapes=tuple({0: batch} for _ in inputs),
                input_names=list(inputs),
                output_names=list(outputs),
                external_data=False,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            raise RgbxError(f"the network cannot be exported ({str(error).splitlines()[0]}).") from error
    program.save(path)  # type: ignore[union-attr]


class _AllIterations:
    """The iterations of a stream, one after the other and all of them, as one graph to check."""

    def __init__(self, graphs: Sequence[Graph]) -> None:
        self._stream = EarlyExit(graphs, threshold=2.0)

    def __call__(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> list[np.ndarray]:
        found = self._stream(inputs["images"], crops=True)._asdict()
        return [np.stack(list(found[name])) for name in outputs]


def _parity(
    loaded: Bundle, name: str, format: RuntimeName, folder: Path, images: Mapping[Modality, Sequence[np.ndarray]]
) -> dict[str, float]:
    """Compare the graph of a stream, or of both (``"rgbx"``), with torch.

    Raises:
        RgbxError: it gives other classes or other crops.
    """
    suffix = GRAPH_SUFFIXES[format]
    modalities = [modality for modality in MODALITIES if name.removesuffix(ITERATIONS) in (modality, "rgbx")]
    ours = (PairGraph(loaded.network) if name == "rgbx" else StreamGraph(_stream(loaded, modalities[0]))).eval()
    inputs, outputs = (MODALITIES, PAIR_OUTPUTS) if name == "rgbx" else (("images",), STREAM_OUTPUTS)
    if name.endswith(ITERATIONS):
        numbers = range(1, loaded.header.streams[modalities[0]].icam.iterations + 1)
        files = [folder / f"{iteration_graph(modalities[0], number)}{suffix}" for number in numbers]
        graph: Graph = _AllIterations([load_graph(file, format) for file in files])
    else:
        graph = load_graph(folder / f"{name}{suffix}", format)
    count = min(len(images[modality]) for modality in modalities)
    differences, classes, crops = [], [], []
    for start in range(0, count, _BATCH):
        chosen = slice(start, min(start + _BATCH, count))
        batch = [as_input(np.stack(images[modality][chosen])) for modality in modalities]
        theirs = graph(dict(zip(inputs, batch, strict=True)), outputs)
        with torch.inference_mode():
            expected = [each.numpy() for each in ours(*map(torch.from_numpy, batch))]
        differences.append(np.abs(theirs[0] - expected[0]).max())
        classes.append(theirs[0].argmax(1) == expected[0].argmax(1))
        places = [place for place, output in enumerate(outputs) if output.endswith("windows")]
        crops += [(np.abs(theirs[place] - expected[place]) < SAME_PLACE).all((1, 2)) for place in places]
    found = {
        "images": float(count),
        "largest_difference": float(max(differences)),
        "equal_classes": float(np.concatenate(classes).mean()),
        "equal_crops": float(np.concatenate(crops).mean()),
    }
    if found["equal_classes"] < SAME_CLASSES or found["equal_crops"] < SAME_CROPS:
        raise RgbxError(
            f"{name}{suffix} does not answer as torch does: same class for {found['equal_classes']:.2%}, same crops "
            f"for {found['equal_crops']:.2%} of {count} images; {SAME_CLASSES:.1%} and {SAME_CROPS:.1%} are asked for. "
            "Nothing was written."
        )
    return found


def _localiser_parity(localiser: nn.Module, path: Path, format: RuntimeName) -> dict[str, float]:
    """Compare the localiser's graph with torch.

    Raises:
        RgbxError: it gives other probabilities.
    """
    (theirs,) = load_graph(path, format)({"photographs": _PHOTOGRAPHS.numpy()}, LOCALISER_OUTPUTS)
    with torch.inference_mode():
        difference = float(np.abs(theirs - localiser(_PHOTOGRAPHS).numpy()).max())
    if difference > SAME_PROBABILITY:
        raise RgbxError(f"{path.name} does not answer as torch does: probabilities differ by {difference:.2g}.")
    return {"images": float(len(_PHOTOGRAPHS)), "largest_difference": difference}


def _localiser(loaded: Bundle) -> nn.Module | None:
    return _stream(loaded, "rgb").localiser if "rgb" in loaded.header.streams else None


def _stream(loaded: Bundle, modality: Modality) -> ICam:
    return loaded.network.streams[modality]  # type: ignore[return-value]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's notices off the screen; its errors stay."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
