"""`rgbx train xray|rgb|fusion`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from rgbx.modality import Modality
    from rgbx.samples import SampleSet

app = typer.Typer(
    no_args_is_help=True,
    help="Train a network: first a stream for each modality, then their fusion. A training that was stopped goes on "
    "when the same command is run again.",
)

Data = Annotated[list[Path], typer.Option(help="Set of images from 'rgbx render'; repeat to train on several.")]
Validation = Annotated[
    list[Path] | None,
    typer.Option(help="Set to measure on after each epoch; without it, units of --data are held out."),
]
Out = Annotated[Path, typer.Option(help="Folder of the run; in the end it is a bundle for 'rgbx predict'.")]
PresetOption = Annotated[
    Literal["small", "paper"], typer.Option(help="'small' fits two cores, 'paper' has the paper's settings.")
]
Backbone = Annotated[str | None, typer.Option(help="Any CNN of timm, e.g. inception_v3 or resnet101.")]
Weights = Annotated[
    str | None,
    typer.Option(help="'embedded' (works offline), 'imagenet' (timm's hub), 'none', or a file of weights."),
]
Iterations = Annotated[int | None, typer.Option(help="How often iCAM looks, n; 1 is the backbone alone.")]
Epochs = Annotated[int | None, typer.Option(help="How often to go through the images.")]
Start = Annotated[
    Path | None,
    typer.Option("--from", metavar="RUN", help="Trained stream to go on from; it may know other classes."),
]
Seed = Annotated[int, typer.Option(help="Another seed gives another order, augmentation and start.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="YAML file with any of the settings.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="One setting, KEY=VALUE; repeatable.")]


@app.command()
def xray(
    data: Data,
    out: Out,
    validation: Validation = None,
    preset: PresetOption = "small",
    backbone: Backbone = None,
    weights: Weights = None,
    iterations: Iterations = None,
    epochs: Epochs = None,
    start: Start = None,
    seed: Seed = 0,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Train the X-ray stream on synthetic radiographs.

    Example: rgbx train xray --data sets/xray --out runs/xray --epochs 8 --set stream.icam.crop_fraction=0.6
    """
    given = _given(backbone, weights, iterations, epochs, seed)
    _train_stream("xray", data, validation, out, preset, config, settings, given, start)


@app.command()
def rgb(
    data: Data,
    out: Out,
    validation: Validation = None,
    preset: PresetOption = "small",
    backbone: Backbone = None,
    weights: Weights = None,
    iterations: Iterations = None,
    epochs: Epochs = None,
    start: Start = None,
    seed: Seed = 0,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Train the RGB stream on synthetic photographs, real ones too if there are any.

    Example: rgbx train rgb --data sets/rgb --data sets/real-rgb --out runs/rgb
    """
    given = _given(backbone, weights, iterations, epochs, seed)
    _train_stream("rgb", data, validation, out, preset, config, settings, given, start)


@app.command()
def fusion(
    rgb: Annotated[Path, typer.Option(help="Run of 'rgbx train rgb'.")],
    xray: Annotated[Path, typer.Option(help="Run of 'rgbx train xray'.")],
    rgb_data: Annotated[list[Path], typer.Option(help="Set of photographs; repeatable.")],
    xray_data: Annotated[list[Path], typer.Option(help="Set of radiographs; repeatable.")],
    out: Out,
    mode: Annotated[
        Literal["fast", "slow", "product", "mean"] | None,
        typer.Option(
            help="'fast' trains the classifiers on fixed features (the paper's best), 'slow' everything; 'product' and "
            "'mean' of both streams train nothing."
        ),
    ] = None,
    epochs: Epochs = None,
    seed: Seed = 0,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Fuse two trained streams into one bundle.

    Example: rgbx train fusion --rgb runs/rgb --xray runs/xray --rgb-data sets/rgb --xray-data sets/xray --out model
    """
    from rgbx.config import load_config
    from rgbx.datasets.labelled import open_sets
    from rgbx.training import FusionTraining, train_fusion

    chosen = load_config(FusionTraining, config, settings or ())
    chosen = chosen.updated(
        {key: value for key, value in {"mode": mode, "epochs": epochs}.items() if value is not None}
    )
    chosen = chosen.updated({"seed": seed})
    sets: dict[Modality, list[SampleSet]] = {"rgb": open_sets(rgb_data, "rgb"), "xray": open_sets(xray_data, "xray")}
    _announce(train_fusion(chosen, {"rgb": rgb, "xray": xray}, sets, out), "--rgb FILE --xray FILE")


def _given(
    backbone: str | None, weights: str | None, iterations: int | None, epochs: int | None, seed: int
) -> dict[str, Any]:
    options = {
        "stream.backbone.name": backbone,
        "stream.backbone.weights": weights,
        "stream.icam.iterations": iterations,
        "epochs": epochs,
        "seed": seed,
    }
    return {key: value for key, value in options.items() if value is not None}


def _train_stream(
    modality: "Modality",
    data: list[Path],
    validation: list[Path] | None,
    out: Path,
    preset: Literal["small", "paper"],
    config: Path | None,
    settings: list[str] | None,
    given: dict[str, Any],
    start: Path | None,
) -> None:
    from rgbx.config import load_config
    from rgbx.datasets.labelled import open_sets
    from rgbx.training import StreamTraining, stream_training, train_stream

    chosen = stream_training(modality, preset)
    for key, value in given.items():
        chosen = chosen.updated({key: value})
    chosen = load_config(StreamTraining, config, settings or (), base=chosen)
    train_sets = open_sets(data, modality)
    validation_sets = open_sets([data[0], *validation], modality)[1:] if validation else []
    _announce(train_stream(chosen, train_sets, validation_sets, out, start), f"--{modality} FILE")


def _announce(out: Path, images: str) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(soft_wrap=True)
    console.print(f"The trained model is in [bold]{escape(str(out))}[/]; classify a device with")
    console.print(f"  rgbx predict {escape(str(out))} {images}", highlight=False)
