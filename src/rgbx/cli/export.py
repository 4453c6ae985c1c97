"""`rgbx export`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rgbx.cli.options import BundleArgument

if TYPE_CHECKING:
    from rgbx.inference.runtimes import RuntimeName


def export_command(
    bundle: BundleArgument,
    format: Annotated[
        Literal["onnx", "openvino", "all"], typer.Option(help="Graphs for ONNX Runtime, for OpenVINO, or for both.")
    ] = "all",
    rgb_set: Annotated[Path | None, typer.Option(help="Set of photographs to check the graphs with.")] = None,
    xray_set: Annotated[Path | None, typer.Option(help="Set of radiographs to check the graphs with.")] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Also write int8 graphs for OpenVINO, calibrated and checked with the sets.")
    ] = False,
    int8_loss: Annotated[float, typer.Option(min=0, help="Points of accuracy that an int8 graph may lose.")] = 0.5,
    int8_crops: Annotated[
        float, typer.Option(min=0, max=1, help="Share of images on which it must look where torch looks.")
    ] = 0.99,
    early_exit: Annotated[
        bool, typer.Option("--early-exit", help="Also write each pass by itself, for 'rgbx predict --early-exit'.")
    ] = False,
) -> None:
    """Write graphs of a bundle that run without torch.

    Crops included, into the bundle's folder `graphs`: `rgb` and `xray`, each stream alone, and `rgbx`, both with their
    fusion in one graph. `rgbx predict` then takes the fastest runtime there is. Graphs that do not give the classes and
    crops that torch gives are refused.

    Int8 graphs that lose more accuracy or crops than allowed are not written; `rgbx predict --precision int8` takes
    those that are, and float32 for a stream whose was not.

    Examples:

    - `rgbx export model --rgb-set line/rgb --xray-set line/xray`
    - `rgbx export model --rgb-set line/rgb --xray-set line/xray --format openvino --int8`
    """
    from rich.console import Console
    from rich.table import Table

    from rgbx.errors import ConfigError
    from rgbx.evaluation.predictions import prepare_sets
    from rgbx.inference.export import export_bundle
    from rgbx.inference.int8 import Int8Gates, show_gain
    from rgbx.modality import given_modalities
    from rgbx.samples import SampleSet

    given = given_modalities(rgb_set, xray_set)
    images, labels = None, None
    if given:
        images, labels = prepare_sets(bundle, {modality: SampleSet.open(folder) for modality, folder in given.items()})
    elif int8:
        raise ConfigError("int8 is calibrated and checked with labelled images: give --rgb-set, --xray-set or both.")
    if int8 and format == "onnx":
        raise ConfigError("int8 graphs are OpenVINO's: leave out --format onnx.")
    formats: tuple[RuntimeName, ...] = ("onnx", "openvino") if format == "all" else (format,)
    graphs = export_bundle(
        bundle,
        formats,
        images,
        labels,
        Int8Gates(accuracy_loss=int8_loss / 100, equal_crops=int8_crops) if int8 else None,
        early_exit,
    )
    table = Table("graph", "images", "largest difference of logits", "equal classes", "equal crops")
    for name, found in graphs.parity.items():
        table.add_row(
            name,
            f"{found['images']:.0f}",
            f"{found['largest_difference']:.1e}",
            *(f"{found[key]:.2%}" if key in found else "" for key in ("equal_classes", "equal_crops")),
        )
    Console().print(table)
    for name, found in graphs.parity.items():
        if "accuracy_gain" in found:
            typer.echo(f"{name}: accuracy {show_gain(found)}.")
    for name, fault in graphs.refused.items():
        typer.echo(f"{name} was not written: it {fault}; the float graph stays.")
    typer.echo(f"{len(graphs.files)} files in {bundle / 'graphs'}.")
