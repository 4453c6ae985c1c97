"""Inference on a processor: one device at a time in PyTorch and in OpenVINO, and what of it the loop costs.

    python benchmarks/inference.py [--quick] [--backbone inception_v3 --size 299] [--cache FOLDER]

prints one JSON object as its last line. The network is the paper's, n = 3, with random weights, which take as long as
trained ones. Every contestant answers through ``Predictor.predict``, images prepared and streams fused; they take
turns, so that a machine whose speed drifts is fair to all, and figures are medians of the rounds. The peer is the same
network in eager PyTorch, float32 in torch's own memory layout. The first run exports the graphs (minutes) and keeps
them in the cache; ``--quick`` is meant for the runs after it.
"""

import argparse
import copy
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from rgbx.errors import RgbxError
from rgbx.extras import import_openvino
from rgbx.inference import Predictor
from rgbx.inference.export import export_bundle, made_up_images
from rgbx.inference.runtimes import Precision, StreamOutput
from rgbx.inference.streams import open_transforms
from rgbx.inference.torch_runtime import TorchRuntime
from rgbx.modality import MODALITIES
from rgbx.models import bundle
from rgbx.models.fusion import Fusion
from rgbx.models.icam import ICam
from rgbx.models.network import RgbXNetwork
from rgbx.models.stream import build_stream
from rgbx.models.stream_config import StreamConfig, stream_preset
from rgbx.processes import cores
from rgbx.view.transform import as_input

openvino = import_openvino()
CLASSES = tuple(f"SP{number}" for number in range(1, 11))
MANY = 16
"""Images given at once where throughput is measured."""


class Bare(nn.Module):
    """The extractor alone."""

    def __init__(self, stream: ICam) -> None:
        super().__init__()
        self.stream = stream

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.stream.feature_maps(images, 0)


class EagerContiguous:
    """A stream in eager PyTorch in torch's own memory layout."""

    def __init__(self, stream: ICam) -> None:
        self._stream = stream.to(memory_format=torch.contiguous_format)
        self._stream.extract = lambda image: stream.backbone.forward_features((image - stream.mean) / stream.std)  # type: ignore[method-assign]

    def __call__(self, images: np.ndarray, crops: bool = False) -> StreamOutput:  # noqa: ARG002 (there are none)
        with torch.inference_mode():
            found = self._stream(torch.from_numpy(images))
            fused_input = self._stream.aggregate(found.features)
        return StreamOutput(*(each.numpy() for each in (found.logits, fused_input, found.cams, found.windows)))


def random_bundle(folder: Path, backbone: str, size: int) -> None:
    """Write a bundle with random weights, its graphs, and the bare extractor as ``bare.xml``."""
    configs: dict[str, StreamConfig] = {
        modality: stream_preset(modality, "paper").updated(
            {
                "backbone.name": backbone,
                "backbone.weights": "none",
                "transform.source_size": size,
                "icam.input_size": size,
            }
        )
        for modality in MODALITIES
    }
    torch.manual_seed(0)
    network = RgbXNetwork({name: build_stream(each, len(CLASSES)) for name, each in configs.items()}, fused=True)
    images = {modality: made_up_images(modality, (size, size), 8) for modality in MODALITIES}
    for modality in MODALITIES:
        settle(network.streams[modality], torch.from_numpy(as_input(np.stack(images[modality]))))
    bundle.save_bundle(folder, network, CLASSES, configs, training={}, sources={}, metrics={})
    export_bundle(folder, ("openvino",), images)
    bare = openvino.convert_model(Bare(network.streams["rgb"]).eval(), example_input=torch.rand(1, 3, size, size))
    openvino.save_model(bare, folder / "bare.xml", compress_to_fp16=False)


def settle(stream: ICam, images: torch.Tensor) -> None:
    """Give batch norm statistics of images, so that numbers stay as small as a trained network's."""
    norms = [module for module in stream.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        stream.train()(images)
    for norm in norms:
        norm.momentum = 0.1
    stream.eval()


def contestants(folder: Path) -> dict[str, Predictor]:
    """Return who competes, by name; graphs look at both images at once, as ``rgbx predict`` does."""
    header, network = bundle.load_bundle(folder)
    plain = copy.deepcopy(network)
    fusion, transforms = Fusion.read(folder), open_transforms(folder)
    found = {
        "eager contiguous": Predictor(
            header.classes, transforms, {m: EagerContiguous(plain.streams[m]) for m in MODALITIES}, fusion
        ),
        "eager channels_last": Predictor(
            header.classes, transforms, {m: TorchRuntime(network.streams[m]) for m in MODALITIES}, fusion
        ),
    }
    precisions: tuple[Precision, ...] = ("f32", "bf16", "int8")
    for precision in precisions:
        try:
            found[f"openvino {precision}"] = Predictor.load(folder, "openvino", precision, "pairs")
        except RgbxError:
            continue  # the processor or the export has none
    return found


def rounds(work: dict[str, Callable[[], object]], count: int) -> dict[str, np.ndarray]:
    """Return each one's milliseconds, (count,), taken in turns after one turn to warm up."""
    taken: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(count + 1):
        for name, each in work.items():
            start = time.perf_counter()
            each()
            if turn:
                taken[name].append(1000 * (time.perf_counter() - start))
    return {name: np.array(each) for name, each in taken.items()}


def measure(folder: Path, size: int, quick: bool) -> dict[str, object]:
    """Time everything in turns."""
    photograph, radiograph = made_up_images("rgb", size, 1)[0], made_up_images("xray", size, 1)[0]
    predictors = contestants(folder)
    own = predictors["openvino f32, in turn"] = Predictor.load(folder, "openvino")
    many = {"latency": own, "throughput": Predictor.load(folder, "openvino", mode="throughput")}
    batch = [np.roll(photograph, shift, 1) for shift in range(MANY)]
    bare = openvino.Core().compile_model(
        folder / "bare.xml",
        "CPU",
        {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": cores()},
    )
    images = as_input(photograph[None])
    work: dict[str, Callable[[], object]] = {
        name: lambda each=each: each.predict(photograph, radiograph, explain=False) for name, each in predictors.items()
    }
    work |= {
        "rgb": lambda: own.predict(rgb=photograph, explain=False),
        "xray": lambda: own.predict(xray=radiograph, explain=False),
        "rgb stream": lambda: own.respond("rgb", photograph[None]),
        "three bare passes": lambda: [bare(images) for _ in range(3)],
    }
    taken = rounds(work, 3 if quick else 15)
    shared = rounds(
        {mode: lambda each=each: each.encode("rgb", batch) for mode, each in many.items()}, 1 if quick else 4
    )
    median = {name: float(np.median(each)) for name, each in taken.items()}
    peer = median["eager contiguous"]
    return {
        "speedup_to_eager_fp32": round(peer / median["openvino f32"], 2),
        "speedup_to_eager_channels_last": round(median["eager channels_last"] / median["openvino f32"], 2),
        **{
            f"speedup_{name.removeprefix('openvino ')}": round(peer / median[name], 2)
            for name in ("openvino bf16", "openvino int8")
            if name in median
        },
        "loop_overhead": round(float(np.median(taken["rgb stream"] / taken["three bare passes"])) - 1, 3),
        "pair_to_stream": round(2 * median["openvino f32"] / (median["rgb"] + median["xray"]), 2),
        "images_per_second": {mode: round(1000 * MANY / float(np.median(each)), 2) for mode, each in shared.items()},
        "ms": {
            name: {
                "median": round(median[name], 1),
                "quartiles": np.percentile(each, (25, 75)).round(1).tolist(),
                "least": round(float(each.min()), 1),
            }
            for name, each in taken.items()
        },
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="inception_v3")
    parser.add_argument("--size", type=int, default=299, help="side of the images, pixels")
    parser.add_argument("--quick", action="store_true", help="few rounds")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(tempfile.gettempdir()) / "rgbx-benchmark-inference",
        help="folder to keep the exported graphs in",
    )
    options = parser.parse_args()
    folder = options.cache / f"{options.backbone}-{options.size}"
    if not (folder / "bare.xml").exists():
        random_bundle(folder, options.backbone, options.size)
    result: dict[str, object] = {
        "benchmark": "inference",
        "cores": cores(),
        "processor": openvino.Core().get_property("CPU", "FULL_DEVICE_NAME"),
        "capabilities": torch.backends.cpu.get_cpu_capability(),
        "amx": torch.cpu._is_amx_tile_supported(),
        "backbone": options.backbone,
        "size": options.size,
        **measure(folder, options.size, options.quick),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
