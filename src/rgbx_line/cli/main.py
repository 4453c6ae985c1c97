"""`rgbx line`: its verbs."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rgbx.cli.layout import LINE
from rgbx.cli.plugins import shown_under
from rgbx.errors import RgbxError
from rgbx.extras import optional_packages
from rgbx_line.cli.report import report_line_command
from rgbx_line.cli.review import line_review_app

if TYPE_CHECKING:
    from rgbx_line.settings import LineFolder, LineSettings

line_app = shown_under(LINE)(typer.Typer(no_args_is_help=True, help="Run a line as a service, and look after it."))
user_app = typer.Typer(no_args_is_help=True, help="Who may do what, over HTTP and OPC UA.")
model_app = typer.Typer(no_args_is_help=True, help="Which model answers.")
job_app = typer.Typer(no_args_is_help=True, help="Work beside the line, at low priority.")
for _name, _app in (("user", user_app), ("model", model_app), ("job", job_app), ("review", line_review_app)):
    line_app.add_typer(_app, name=_name)

SettingsArgument = Annotated[Path, typer.Argument(metavar="LINE.yaml", help="The line's settings.")]
WhoOption = Annotated[str, typer.Option("--who", metavar="NAME", help="Who does it, for the log.")]


@line_app.command("init")
def init_line_command(
    file: SettingsArgument,
    bundle: Annotated[Path, typer.Option(metavar="DIR", help="The model that the line begins with.")],
    folder: Annotated[Path, typer.Option(metavar="DIR", help="Where the line keeps what it writes.")] = Path("line"),
) -> None:
    """Write a commented file of settings.

    Examples:

    - `rgbx line init plant.yaml --bundle model`
    - `rgbx line init plant.yaml --bundle model --folder /var/lib/rgbx`
    """
    from rgbx_line.template import write_template

    for said in write_template(file, bundle, folder):
        typer.echo(f"warning: {said}", err=True)
    typer.echo(f"{file} is written: read it, then run 'rgbx line check {file}'.")


@line_app.command("check")
def check_line_command(file: SettingsArgument) -> None:
    """Say what is wrong in a line's settings.

    The exit code is 1 when the line cannot run.

    Examples:

    - `rgbx line check line.yaml`
    - `rgbx line check hall-2.yaml`
    """
    with optional_packages("rgbx[line]"):
        from rgbx_line.check import line_problems, line_warnings

    settings = _read(file)
    for warning in line_warnings(settings):
        typer.echo(f"warning: {warning}", err=True)
    problems = list(line_problems(settings))
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(1)
    typer.echo("the line can run.")


@line_app.command("run")
def run_line_command(file: SettingsArgument) -> None:
    """Run a line until it is stopped.

    It answers every part by its deadline, keeps all in its log, and starts its processes again when they fail. Ctrl-C
    or SIGTERM stops it, once it has answered what is begun.

    Examples:

    - `rgbx line run line.yaml`
    - `rgbx line run hall-2.yaml`
    """
    import signal

    with optional_packages("rgbx[line]"):
        from rgbx_line.supervisor import Supervisor

    settings = _read(file)

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await Supervisor(settings, file).run(stop)

    asyncio.run(run())


@line_app.command("verify")
def verify_line_command(file: SettingsArgument) -> None:
    """Check that no byte of the log was altered.

    Each line carries a hash of itself and of the line before. The exit code is 1 when one is not as it was written.

    Examples:

    - `rgbx line verify line.yaml`
    - `rgbx line verify hall-2.yaml`
    """
    from rgbx_line.log.verify import verify

    folder = _folder(file)
    checked = verify(folder.log, folder.cursors)
    for fault in checked.faults:
        typer.echo(fault, err=True)
    if checked.faults:
        raise typer.Exit(1)
    typer.echo(f"{checked.entries} lines are as they were written.")


@line_app.command("show")
def show_part_command(
    file: SettingsArgument,
    part: Annotated[str, typer.Argument(help="Its PartId.")],
    as_json: Annotated[bool, typer.Option("--json", help="The lines of the log as they are.")] = False,
) -> None:
    """Say everything about a part.

    Its answer, the evidence, the model, the images, and what came too late to count.

    Examples:

    - `rgbx line show line.yaml A17`
    - `rgbx line show line.yaml A17 --json`
    """
    import json

    from rgbx_line.history import find_part
    from rgbx_line.show import described

    folder = _folder(file)
    found = find_part(folder, part, 100, kind=None)
    if not found:
        raise RgbxError(f"the log says nothing of a part '{part}': look for another name.")
    for entry in found:
        typer.echo(json.dumps(entry.content) if as_json else described(folder, entry))


line_app.command("report")(report_line_command)


@line_app.command("halt")
def halt_line_command(file: SettingsArgument, who: WhoOption) -> None:
    """Have a running line take no more parts.

    Examples:

    - `rgbx line halt line.yaml --who Ada`
    - `rgbx line halt hall-2.yaml --who 'Ada Lovelace'`
    """
    _ask(file, "halt", who=who)


@line_app.command("resume")
def resume_line_command(file: SettingsArgument, who: WhoOption) -> None:
    """Have a halted line take parts again.

    Examples:

    - `rgbx line resume line.yaml --who Ada`
    - `rgbx line resume hall-2.yaml --who 'Ada Lovelace'`
    """
    _ask(file, "resume", who=who)


@line_app.command("trust")
def trust_client_command(
    file: SettingsArgument, certificate: Annotated[Path, typer.Argument(help="Of an OPC UA client, DER or PEM.")]
) -> None:
    """Let an OPC UA client in, by its certificate.

    Examples:

    - `rgbx line trust line.yaml plc.der`
    - `rgbx line trust line.yaml client-certificate.pem`
    """
    with optional_packages("rgbx[opcua]"):
        from rgbx_line.gateway.opcua.certificates import trust

    typer.echo(f"trusted: {trust(_folder(file), certificate)}")


@user_app.command("add")
def add_user_command(
    file: SettingsArgument,
    name: str,
    role: Annotated[str, typer.Option(help="operator, engineer or administrator.")] = "operator",
) -> None:
    """Add a user, or change one's password and role.

    The password is asked for.

    Examples:

    - `rgbx line user add line.yaml ada`
    - `rgbx line user add line.yaml grace --role engineer`
    """
    with optional_packages("rgbx[line]"):
        from rgbx_line.users import Role, Users

    if role not in list(Role):
        raise RgbxError(f"there is no role '{role}': choose {', '.join(Role)}.")
    path = _folder(file).users
    password = typer.prompt("password", hide_input=True, confirmation_prompt=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    Users.read(path).with_user(name, password, Role(role)).write(path)
    typer.echo(f"{name} is {role}.")


@user_app.command("remove")
def remove_user_command(file: SettingsArgument, name: str) -> None:
    """Remove a user.

    Examples:

    - `rgbx line user remove line.yaml ada`
    - `rgbx line user remove hall-2.yaml ada`
    """
    with optional_packages("rgbx[line]"):
        from rgbx_line.users import Users

    path = _folder(file).users
    Users.read(path).without(name).write(path)


@user_app.command("list")
def list_users_command(file: SettingsArgument) -> None:
    """List users and their roles.

    Examples:

    - `rgbx line user list line.yaml`
    - `rgbx line user list hall-2.yaml`
    """
    with optional_packages("rgbx[line]"):
        from rgbx_line.users import Users

    roles = Users.read(_folder(file).users).roles
    for name, role in sorted(roles.items()):
        typer.echo(f"{name}: {role}")
    if not roles:
        typer.echo("there is no user: run 'rgbx line user add'.")


@model_app.command("list")
def list_models_command(file: SettingsArgument) -> None:
    """List the models of a line and what each does.

    Examples:

    - `rgbx line model list line.yaml`
    - `rgbx line model list hall-2.yaml`
    """
    from rgbx_line.models import ModelStore

    store = ModelStore(_folder(file).models)
    for number, model in store.models().items():
        typer.echo(f"{number}: {model.name}, {store.role(number)}, added by {model.who}, {model.weights_sha256[:12]}")
    if not store.models():
        typer.echo("there is no model yet: the line adds its first one when it is run.")


@model_app.command("add")
def add_model_command(file: SettingsArgument, bundle: Path, who: WhoOption) -> None:
    """Put a bundle into a running line's store.

    It does not answer yet: activate it, or have it shadow the active model first.

    Examples:

    - `rgbx line model add line.yaml model --who Ada`
    - `rgbx line model add line.yaml runs/next --who 'Ada Lovelace'`
    """
    said = _ask(file, "add_model", folder=str(bundle.resolve()), who=who)
    typer.echo(f"model {said['number']}")


@model_app.command("activate")
def activate_model_command(file: SettingsArgument, number: int, who: WhoOption) -> None:
    """Have a model answer, from the next part on.

    It has to pass its self-test first: on the golden devices, where the line has some.

    Examples:

    - `rgbx line model activate line.yaml 2 --who Ada`
    - `rgbx line model activate hall-2.yaml 2 --who Ada`
    """
    _ask(file, "activate", number=number, who=who)


@model_app.command("roll-back")
def roll_back_model_command(file: SettingsArgument, who: WhoOption) -> None:
    """Have the previous model answer again.

    Examples:

    - `rgbx line model roll-back line.yaml --who Ada`
    - `rgbx line model roll-back hall-2.yaml --who Ada`
    """
    _ask(file, "roll_back", who=who)


@model_app.command("shadow")
def shadow_model_command(
    file: SettingsArgument,
    who: WhoOption,
    number: Annotated[int | None, typer.Argument(help="Of the candidate; none when left out.")] = None,
) -> None:
    """Have a candidate see every part.

    Its answers are logged and never sent.

    Examples:

    - `rgbx line model shadow line.yaml 2 --who Ada`
    - `rgbx line model shadow line.yaml --who Ada`
    """
    _ask(file, "shadow", number=number, who=who)


@job_app.command("add", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def add_job_command(context: typer.Context, file: SettingsArgument, who: WhoOption) -> None:
    """Put a command of rgbx behind the jobs that wait.

    Examples:

    - `rgbx line job add line.yaml --who Ada -- train xray --data sets/xray --out runs/next`
    - `rgbx line job add line.yaml --who Ada -- export model`
    """
    from rgbx_line.job_list import add_job

    job = add_job(_folder(file), context.args, who)
    typer.echo(f"job {job.number}")


@job_app.command("list")
def list_jobs_command(file: SettingsArgument) -> None:
    """List what waits, runs and has ended.

    Examples:

    - `rgbx line job list line.yaml`
    - `rgbx line job list hall-2.yaml`
    """
    from rgbx_line.job_list import read_jobs

    jobs = read_jobs(_folder(file))
    if not jobs:
        typer.echo("there are no jobs.")
    for job in jobs:
        state = "waits" if job.started is None else "runs" if job.ended is None else f"ended with {job.code}"
        typer.echo(f"{job.number}: {state}: rgbx {' '.join(job.arguments)} ({job.who})")


def _read(file: Path) -> "LineSettings":
    from rgbx_line.settings import read_settings

    return read_settings(file)


def _folder(file: Path) -> "LineFolder":
    from rgbx_line.settings import LineFolder

    return LineFolder(_read(file).folder)


def _ask(file: Path, do: str, **content: Any) -> dict[str, Any]:
    """Ask a running line for something."""
    from rgbx_line.channel import Link

    async def ask() -> dict[str, Any]:
        async with Link(_folder(file).socket) as link:
            await link.connected(within_s=2.0)
            return await link.ask(do, **content)

    return asyncio.run(ask())
