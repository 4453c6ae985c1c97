"""``rgbx explain``: what did a bundle look at."""

from pathlib import Path
from typing import Annotated

import typer

from rgbx.cli.options import BundleArgument
from rgbx.errors import ConfigError


def explain_command(
    bundle: BundleArgument,
    out: Annotated[Path, typer.Option(help="Folder for the figures, one a device.")],
    rgb: Annotated[Path | None, typer.Option(help="One photograph.")] = None,
    xray: Annotated[Path | None, typer.Option(help="One radiograph.")] = None,
    rgb_set: Annotated[Path | None, typer.Option(help="Set of photographs to choose devices from.")] = None,
    xray_set: Annotated[Path | None, typer.Option(help="Set of radiographs to choose devices from.")] = None,
    per_class: Annotated[int, typer.Option(min=1, help="Devices of each class to choose from sets.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the choice.")] = 0,
    faithfulness: Annotated[
        bool, typer.Option("--faithfulness", help="Also measure whether the answer rests on what the maps show.")
    ] = False,
) -> None:
    """Draw where the network looked, and what it saw there.

    Heat map, window and crop of every iteration, and the probabilities. For one device give --rgb, --xray or both; for
    samples of whole sets --rgb-set, --xray-set or both. With sets the figure also says whether the answer is right.

    Examples:

    - `rgbx explain model --rgb phone.png --xray phone.tiff --out heat-maps`
    - `rgbx explain model --rgb-set line/rgb --xray-set line/xray --out heat-maps`
    """
    one, many = rgb or xray, rgb_set or xray_set
    if (one is None) == (many is None):
        raise ConfigError("rgbx explain wants one device (--rgb FILE, --xray FILE) or sets (--rgb-set, --xray-set).")

    from rich.console import Console

    from rgbx.evaluation.explain import Case, cases_of_sets, explain_cases
    from rgbx.evaluation.faithfulness import measure_maps
    from rgbx.evaluation.tables import show
    from rgbx.files import write_json
    from rgbx.inference import Predictor
    from rgbx.modality import TITLES
    from rgbx.samples import SampleSet

    if one is not None:
        cases = [Case(name=one.stem, rgb=rgb, xray=xray)]
    else:
        cases = cases_of_sets(
            SampleSet.open(rgb_set) if rgb_set else None,
            SampleSet.open(xray_set) if xray_set else None,
            per_class,
            seed,
        )
    predictor, console = Predictor.load(bundle), Console()
    figures = explain_cases(predictor, cases, out)
    console.print(f"{len(figures)} figures written to {out}.", soft_wrap=True)
    if faithfulness:
        scores = measure_maps(predictor, cases, seed)
        write_json(out / "faithfulness.json", {name: each.model_dump(mode="json") for name, each in scores.items()})
        for modality, each in scores.items():
            console.print(
                f"{TITLES[modality]}, {each.images} images: deletion {show(each.deletion)} (a map of the middle: "
                f"{each.centre_deletion.value:.3f}), insertion {show(each.insertion)} "
                f"({each.centre_insertion.value:.3f}).",
                soft_wrap=True,
                highlight=False,
            )
