"""Options and arguments that several verbs share.

One that is a setting as well has None for a default, see :func:`rgbx.cli.settings.choose_settings`.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

BundleArgument = Annotated[Path, typer.Argument(help="A trained model: the --out folder of 'rgbx train'.")]

ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE.yaml", help="YAML file with any of the settings.")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One setting, above all else; may be repeated.")
]
PresetOption = Annotated[
    Literal["small", "paper"], typer.Option(help="'small' fits two cores, 'paper' has the paper's settings.")
]
SizeOption = Annotated[int | None, typer.Option(min=16, help="Side of the square images, pixels; 160 by default.")]
WorkersOption = Annotated[
    int | None, typer.Option(min=0, help="Processes; as many as there are cores by default, 0 works in this one.")
]

RuntimeOption = Annotated[
    Literal["torch", "onnx", "openvino"] | None,
    typer.Option(help="What computes; the fastest that the bundle was exported for by default."),
]
PrecisionOption = Annotated[
    Literal["f32", "bf16", "int8"] | None,
    typer.Option(
        help="What OpenVINO computes in: bf16 where the processor can, int8 after 'export --int8'; f32 by default, or "
        "what the bundle was calibrated with."
    ),
]
EarlyExitOption = Annotated[
    float | None, typer.Option(min=0.0, max=1.0, help="Look no closer once a class has this probability, e.g. 0.99.")
]
FlatOption = Annotated[
    Path | None, typer.Option(help="Flat and dark field of the detector: the --out of 'rgbx flatfield'.")
]
CsvOption = Annotated[bool, typer.Option("--csv", help="Also keep the results as CSV, beside the JSONL file.")]
