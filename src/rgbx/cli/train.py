"""`rgbx train xray|rgb|fusion`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rgbx.cli.options import ConfigOption, PresetOption, SetOption
from rgbx.cli.settings import choose_settings

if TYPE_CHECKING:
    from rgbx.modality import Modality
    from rgbx.samples import SampleSet
    from rgbx.training import StreamTraining

train_app = typer.Typer(
    no_args_is_help=True,
    help="Train a network on sets.\n\nFirst a stream for each modality, then their fusion. A training that was stopped "
    "goes on when the same command is run again.",
)

DataOption = Annotated[list[Path], typer.Option(help="Set of images from 'rgbx render'; repeat to train on several.")]
ValidationOption = Annotated[
    list[Path] | None,
    typer.Option(help="Set to measure on after each epoch; without it, units of --data are held out."),
]
RunOutOption = Annotated[Path, typer.Option(help="Folder of the run; in the end it is a bundle for 'rgbx predict'.")]
BackboneOption = Annotated[
    str | None,
    typer.Option(help="Any CNN of timm, e.g. inception_v3 or resnet101; as the preset says by default."),
]
WeightsOption = Annotated[
    str | None,
    typer.Option(help="'embedded' (works offline), 'imagenet' (timm's hub), 'none', or a file; as the preset says."),
]
IterationsOption = Annotated[
    int | None, typer.Option(help="How often iCAM looks, n; 1 is the backbone alone; as the preset says by default.")
]
EpochsOption = Annotated[
    int | None, typer.Option(help="How often to go through the images; as the preset says by default.")
]
StartOption = Annotated[
    Path | None,
    typer.Option("--from", metavar="RUN", help="Trained stream to go on from; it may know other classes."),
]
LocaliserOption = Annotated[
    Path | None,
    typer.Option(metavar="RUN", help="Run whose localiser finds these devices, too; trained anew by default."),
]
TrainingSeedOption = Annotated[
    int | None, typer.Option(help="Another seed gives another order, augmentation and start; 0 by default.")
]


@train_app.command("xray")
def train_xray_command(
    data: DataOption,
    out: RunOutOption,
    validation: ValidationOption = None,
    preset: PresetOption = "small",
    backbone: BackboneOption = None,
    weights: WeightsOption = None,
    iterations: IterationsOption = None,
    epochs: EpochsOption = None,
    start: StartOption = None,
    seed: TrainingSeedOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """Train the X-ray stream on radiographs.

    Examples:

    - `rgbx train xray --data sets/xray --out runs/xray --epochs 12`
    - `rgbx train xray --data sets/xray --out runs/xray --preset paper --weights none`
    """
    chosen = _stream_settings("xray", preset, config, settings, backbone, weights, iterations, epochs, seed)
    _train_stream("xray", chosen, data, validation, out, start)


@train_app.command("rgb")
def train_rgb_command(
    data: DataOption,
    out: RunOutOption,
    validation: ValidationOption = None,
    preset: PresetOption = "small",
    backbone: BackboneOption = None,
    weights: WeightsOption = None,
    iterations: IterationsOption = None,
    epochs: EpochsOption = None,
    start: StartOption = None,
    localiser: LocaliserOption = None,
    seed: TrainingSeedOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """Train the RGB stream on photographs.

    Examples:

    - `rgbx train rgb --data sets/rgb --out runs/rgb --set batch_size=8`
    - `rgbx train rgb --data sets/rgb --data line/rgb --out runs/rgb --from runs/rgb-synthetic`
    """
    chosen = _stream_settings("rgb", preset, config, settings, backbone, weights, iterations, epochs, seed)
    _train_stream("rgb", chosen, data, validation, out, start, localiser)


@train_app.command("fusion")
def train_fusion_command(
    rgb: Annotated[Path, typer.Option(help="Run of 'rgbx train rgb'.")],
    xray: Annotated[Path, typer.Option(help="Run of 'rgbx train xray'.")],
    rgb_data: Annotated[list[Path], typer.Option(help="Set of photographs; repeatable.")],
    xray_data: Annotated[list[Path], typer.Option(help="Set of radiographs; repeatable.")],
    out: RunOutOption,
    mode: Annotated[
        Literal["fast", "slow", "product", "mean"] | None,
        typer.Option(
            help="'fast' (default) trains the classifiers on fixed features (the paper's best), 'slow' everything; "
            "'product' and 'mean' of both streams train nothing."
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="How often to go through the images; 20 by default.")] = None,
    seed: TrainingSeedOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """Fuse two trained streams into one bundle.

    Examples:

    - `rgbx train fusion --rgb runs/rgb --xray runs/xray --rgb-data sets/rgb --xray-data sets/xray --out model`
    - `rgbx train fusion --rgb runs/rgb --xray runs/xray --rgb-data sets/rgb --xray-data sets/xray --out model
      --mode slow`
    """
    from rgbx.datasets.labelled import open_sets
    from rgbx.training import FusionTraining, train_fusion

    chosen = choose_settings(FusionTraining, config, {"mode": mode, "epochs": epochs, "seed": seed}, settings)
    sets: dict[Modality, list[SampleSet]] = {"rgb": open_sets(rgb_data, "rgb"), "xray": open_sets(xray_data, "xray")}
    _announce(train_fusion(chosen, {"rgb": rgb, "xray": xray}, sets, out), "--rgb FILE --xray FILE")


def _stream_settings(
    modality: "Modality",
    preset: Literal["small", "paper"],
    config: Path | None,
    settings: list[str] | None,
    backbone: str | None,
    weights: str | None,
    iterations: int | None,
    epochs: int | None,
    seed: int | None,
) -> "StreamTraining":
    from rgbx.training import StreamTraining, stream_training

    typed = {
        "stream.backbone.name": backbone,
        "stream.backbone.weights": weights,
        "stream.icam.iterations": iterations,
        "epochs": epochs,
        "seed": seed,
    }
    return choose_settings(StreamTraining, config, typed, settings, stream_training(modality, preset))


def _train_stream(
    modality: "Modality",
    chosen: "StreamTraining",
    data: list[Path],
    validation: list[Path] | None,
    out: Path,
    start: Path | None,
    localiser: Path | None = None,
) -> None:
    from rgbx.datasets.labelled import open_sets
    from rgbx.training import train_stream

    train_sets = open_sets(data, modality)
    validation_sets = open_sets([data[0], *validation], modality)[1:] if validation else []
    run = train_stream(chosen, train_sets, validation_sets, out, start, localiser)
    _announce(run, f"--{modality} FILE")


def _announce(out: Path, images: str) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(soft_wrap=True)
    console.print(f"The trained model is in [bold]{escape(str(out))}[/]; classify a device with")
    console.print(f"  rgbx predict {escape(str(out))} {images}", highlight=False)
