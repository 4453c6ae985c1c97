"""`rgbx calibrate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rgbx.cli.options import (
    BundleArgument,
    ConfigOption,
    EarlyExitOption,
    PrecisionOption,
    RuntimeOption,
    SetOption,
)
from rgbx.cli.settings import choose_settings

if TYPE_CHECKING:
    from rich.table import Table

    from rgbx.modality import Modality
    from rgbx.trust.calibration import Calibrated


def calibrate_command(
    bundle: BundleArgument,
    rgb: Annotated[Path | None, typer.Option(help="Set of photographs it was not trained on.")] = None,
    xray: Annotated[Path | None, typer.Option(help="Set of radiographs it was not trained on.")] = None,
    bins: Annotated[
        Path | None, typer.Option(help="YAML with the bin of each class and, if you like, costs of mistakes.")
    ] = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    seed: Annotated[int, typer.Option(help="Of pairing photographs with radiographs.")] = 0,
    runtime: RuntimeOption = None,
    precision: PrecisionOption = None,
    early_exit: EarlyExitOption = None,
) -> None:
    """Teach a bundle when not to trust itself.

    On labelled images of your own line. Afterwards its probabilities mean what they say, and each prediction comes with
    a decision: a bin, or a reason to put the device aside (unknown, modalities disagree, low confidence). Prints what
    so many images can support, and what they cannot.

    Answers in another precision, or with early exit, are surer or less sure: calibrate with the ones that the line will
    have, which the bundle then keeps to.

    Settings: ood_score, unknown, miss, disagreement, false_sorts, confidence.

    Examples:

    - `rgbx calibrate model --rgb line/rgb --xray line/xray --bins bins.yaml`
    - `rgbx calibrate model --rgb line/rgb --xray line/xray --set false_sorts=0.01`
    """
    from rich.console import Console

    from rgbx.evaluation.calibrate import calibrate, read_sorting
    from rgbx.models.header import read_bundle_header
    from rgbx.samples import SampleSet
    from rgbx.trust.calibration import Computation
    from rgbx.trust.sorting import TrustConfig
    from rgbx.trust.support import support_sentences

    asked = choose_settings(TrustConfig, config, settings=settings)
    given: dict[Modality, Path | None] = {"rgb": rgb, "xray": xray}
    sorting = read_sorting(bins, read_bundle_header(bundle).classes)
    sets = {modality: SampleSet.open(folder) for modality, folder in given.items() if folder is not None}
    computation = Computation(precision=precision or "f32", early_exit=early_exit)
    calibration = calibrate(bundle, sets, sorting, asked, seed, runtime, computation)
    console = Console()
    console.print(_table(calibration))
    for sentence in support_sentences(calibration):
        console.print(f"- {sentence}", soft_wrap=True, highlight=False)


def _table(calibration: "Calibrated") -> "Table":
    from rich.table import Table

    from rgbx.modality import TITLES

    table = Table("answers from", "images", "units", "temperature", "sorted", "false sorts", "at most")
    for channel, each in calibration.channels.items():
        table.add_row(
            TITLES[channel],
            str(each.images),
            str(each.units),
            f"{each.temperature:.2f}",
            f"{each.sorted / each.images:.1%}",
            str(each.false_sorts),
            f"{each.bound:.2%}",
        )
    return table
