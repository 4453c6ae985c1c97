"""`rgbx classes`: classes of a trained bundle added, removed and renamed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rgbx.cli.options import BundleArgument, WorkersOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from rgbx.evaluation.classes import AddedClass
    from rgbx.modality import Modality
    from rgbx.samples import SampleSet

classes_app = typer.Typer(
    no_args_is_help=True,
    help="Add, remove or rename a class of a trained bundle.\n\nEach makes a candidate, a new bundle; the one that is "
    "given stays as it is.",
)

NameOption = Annotated[str, typer.Option(help="Of the class.")]
CandidateOption = Annotated[Path, typer.Option(help="Folder for the candidate, a bundle of its own.")]


@classes_app.command("add")
def add_class_command(
    bundle: BundleArgument,
    name: NameOption,
    out: CandidateOption,
    unit: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of a scanned unit, with its scan and its mesh; repeat it for several."),
    ] = None,
    rgb: Annotated[
        list[Path] | None, typer.Option(help="Set of photographs of the class, in place of --unit; repeatable.")
    ] = None,
    xray: Annotated[
        list[Path] | None, typer.Option(help="Set of radiographs of the class, in place of --unit; repeatable.")
    ] = None,
    radiographs: Annotated[int, typer.Option(min=16, help="Radiographs to render of the units.")] = 180,
    photographs: Annotated[int, typer.Option(min=16, help="Photographs to render, if the time allows.")] = 200,
    minutes: Annotated[float, typer.Option(min=0, help="Time for all of it; photographs have to fit in.")] = 10,
    images: Annotated[
        Path | None, typer.Option(help="Folder that keeps the rendered sets; they go at the end without it.")
    ] = None,
    bin: Annotated[
        str | None, typer.Option(help="Where devices of the class go; to a bin of its name by default.")
    ] = None,
    old_rgb: Annotated[
        list[Path] | None, typer.Option(help="Set of photographs that the bundle was trained on; repeatable.")
    ] = None,
    old_xray: Annotated[
        list[Path] | None, typer.Option(help="Set of radiographs that the bundle was trained on; repeatable.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Train the streams on, on old and new images: hours in place of minutes.")
    ] = False,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Of --full; half as many as the bundle was trained for by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of rendering and of pairing photographs with radiographs.")] = 0,
    workers: WorkersOption = None,
) -> None:
    """Add a class within minutes, without training a network.

    Renders the units as the bundle's training images were, or takes sets that are there. The classifiers are fitted
    anew, in closed form, to these images and to what the bundle remembers of its training. How well the new class is
    told from its nearest old one is measured on units that were held out, and said; where it is not well enough,
    `--full` is proposed.

    The candidate's calibration is provisional: run `rgbx calibrate` on it with images of your line.

    Examples:

    - `rgbx classes add model --unit new/SP3/SP3-001 --unit new/SP3/SP3-002 --name SP3 --out candidate`
    - `rgbx classes add model --rgb new-sets/rgb --xray new-sets/xray --name SP3 --out candidate`
    """
    import shutil
    import sys

    from rgbx.errors import ConfigError
    from rgbx.evaluation.class_in_full import add_class_in_full
    from rgbx.evaluation.classes import add_class, check_addition, sources_to_match
    from rgbx.evaluation.unit_images import WantedImages, unit_renderer
    from rgbx.training.full_class import FullAddition

    if bool(unit) == bool(rgb or xray):
        raise ConfigError("Give the new class's units with --unit, or sets of its images with --rgb and --xray.")
    if full and bin is not None:
        raise ConfigError("A candidate of --full has no calibration, so no bins: leave out --bin.")
    given, old_sets = _opened(rgb, xray), _opened(old_rgb, old_xray)
    if full and not old_sets:
        raise ConfigError("--full trains on all old images too: give them with --old-rgb SET and --old-xray SET.")
    check_addition(bundle, name, out, given, old_sets, bin)
    if unit:
        place = images or out.with_name(f".{out.name}-images")
        wanted = WantedImages(radiographs, photographs, minutes)
        sources = sources_to_match(bundle, old_sets)
        folders = unit_renderer()(unit, name, sources, place, wanted, seed, workers)
        given = _opened(folders.get("rgb"), folders.get("xray"))
    if full:
        added = add_class_in_full(bundle, name, given, old_sets, out, FullAddition(epochs=epochs), seed)
    else:
        added = add_class(bundle, name, given, out, old_sets=old_sets, own_bin=bin, seed=seed)
    if unit and images is None:
        shutil.rmtree(place, ignore_errors=True)
    _report(added, out)
    if added.change.proposes_full:
        print(_PROPOSAL.format(name=name), file=sys.stderr)


@classes_app.command("remove")
def remove_class_command(bundle: BundleArgument, name: NameOption, out: CandidateOption) -> None:
    """Remove a class; among the others the candidate answers as before.

    Devices of the class are unknown ones from then on. What was calibrated becomes provisional.

    Examples:

    - `rgbx classes remove three-classes --name SP9 --out candidate`
    - `rgbx classes remove three-classes --name SP1 --out without-sp1`
    """
    from rgbx.evaluation.classes import remove_class

    change = remove_class(bundle, name, out)
    typer.echo(f"{name} is removed in {out}.")
    _say(change.notes)


@classes_app.command("rename")
def rename_class_command(
    bundle: BundleArgument,
    name: NameOption,
    to: Annotated[str, typer.Option(help="How the class shall be called.")],
    out: CandidateOption,
) -> None:
    """Rename a class; nothing else changes, and bins keep their names.

    Graphs and a calibration are kept.

    Examples:

    - `rgbx classes rename model --name SP1 --to "Phone 7" --out candidate`
    - `rgbx classes rename model --name SP9 --to SP9a --out candidate`
    """
    from rgbx.evaluation.classes import rename_class

    change = rename_class(bundle, name, to, out)
    typer.echo(f"{name} is called {to} in {out}.")
    _say(change.notes)


_PROPOSAL = (
    "warning: {name} is not told well enough from the other classes by the features that the networks have. Train on, "
    "with --full and the sets that the bundle was trained on (--old-rgb, --old-xray), before the candidate is used."
)


def _opened(rgb: "Sequence[Path] | None", xray: "Sequence[Path] | None") -> "dict[Modality, list[SampleSet]]":
    from rgbx.modality import given_modalities
    from rgbx.samples import SampleSet

    folders = given_modalities(rgb or None, xray or None)
    return {modality: [SampleSet.open(folder) for folder in each] for modality, each in folders.items()}


def _report(added: "AddedClass", out: Path) -> None:
    from rich.console import Console

    Console().print(_table(added))
    _say(added.change.notes[len(added.channels) :])
    typer.echo(f"The candidate is in {out}; 'rgbx calibrate' and 'rgbx export' come next.")


def _table(added: "AddedClass") -> "Table":
    from rich.table import Table

    from rgbx.modality import TITLES

    held_out = "held-out units" if added.by_unit else "held-out images of the same unit"
    table = Table(
        "told by",
        f"{added.name} found",
        "nearest",
        "taken for it",
        "it taken for the new",
        "old classes right",
        "old lost",
        title=f"On {held_out}, rendered{'; old classes on the line' if added.by_line else ''}",
    )
    for channel, each in added.channels.items():
        table.add_row(
            TITLES[channel],
            f"{each.found:.1%} of {each.images}",
            each.twin,
            f"{each.taken_for_twin:.1%}",
            f"{each.taken_for_new:.1%}",
            f"{each.old_right:.1%} of {each.old_images}",
            f"{each.old_lost:.1%}",
        )
    return table


def _say(notes: "Sequence[str]") -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(soft_wrap=True)
    for note in notes:
        console.print(f"- {escape(note)}", highlight=False)
