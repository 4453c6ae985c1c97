"""`rgbx export`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import numpy as np

    from rgbx.inference.runtimes import RuntimeName
    from rgbx.samples.record import Modality


class Format(StrEnum):
    """What runs the graphs."""

    onnx = "onnx"
    openvino = "openvino"
    all = "all"


def export(
    bundle: Annotated[Path, typer.Argument(help="A trained model: the --out folder of 'rgbx train'.")],
    format: Annotated[Format, typer.Option(help="Graphs for ONNX Runtime, for OpenVINO, or for both.")] = Format.all,
    rgb_set: Annotated[Path | None, typer.Option(help="Set of photographs to check the graphs with.")] = None,
    xray_set: Annotated[Path | None, typer.Option(help="Set of radiographs to check the graphs with.")] = None,
    early_exit: Annotated[
        bool, typer.Option("--early-exit", help="Also write each pass by itself, for 'rgbx predict --early-exit'.")
    ] = False,
) -> None:
    """Export a bundle's networks as graphs, crops included, that run without torch.

    Writes `graphs/` into the bundle: `rgb` and `xray`, each stream alone, and `rgbx`, both with their fusion in one
    graph. `rgbx predict` then takes the fastest runtime there is. Graphs that do not give the classes and crops
    that torch gives are refused.

    Example: `rgbx export model --rgb-set line/rgb --xray-set line/xray`
    """
    from rich.console import Console
    from rich.table import Table

    from rgbx.inference.export import export_bundle
    from rgbx.models.header import read_header

    header = read_header(bundle)
    given: dict[Modality, Path | None] = {"rgb": rgb_set, "xray": xray_set}
    images = None
    if any(given[modality] for modality in header.streams):
        images = {modality: _prepared(given[modality], modality, bundle) for modality in header.streams}
    formats: dict[Format, tuple[RuntimeName, ...]] = {
        Format.onnx: ("onnx",),
        Format.openvino: ("openvino",),
        Format.all: ("onnx", "openvino"),
    }
    graphs = export_bundle(bundle, formats[format], images, early_exit)
    table = Table("graph", "images", "largest difference of logits", "equal classes", "equal crops")
    for name, found in graphs.parity.items():
        table.add_row(
            name,
            f"{found['images']:.0f}",
            f"{found['largest_difference']:.1e}",
            f"{found['equal_classes']:.2%}",
            f"{found['equal_crops']:.2%}",
        )
    Console().print(table)
    typer.echo(f"{len(graphs.files)} files in {bundle / 'graphs'}.")


def _prepared(folder: Path | None, modality: "Modality", bundle: Path) -> "list[np.ndarray]":
    """Return a set's images as the stream gets them."""
    from rgbx.errors import ConfigError
    from rgbx.inference import Predictor
    from rgbx.samples import SampleSet

    if folder is None:
        raise ConfigError(f"The bundle has both modalities: give --{modality}-set as well, or neither.")
    samples, predictor = SampleSet.open(folder), Predictor.load(bundle, "torch")
    return [predictor.prepare(modality, samples.path(record)) for record in samples]
