"""The page Models: which model answers, which one is tried beside it, and the jobs that make new ones."""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi import Path as InPath

from rgbx.errors import RgbxError
from rgbx.modality import given_modalities
from rgbx.models.header import BUNDLE_FILE
from rgbx_line.contract import LARGEST_WORD
from rgbx_line.job_list import LineJob, add_job, output_of, read_jobs
from rgbx_line.models import ModelRole, ModelStore, StoredModel
from rgbx_line.settings import LineFolder, LineSettings
from rgbx_line.users import Role
from rgbx_line.web.access import Refusal
from rgbx_line.web.asking import LOAD_WITHIN_S
from rgbx_line.web.pages.bundles import StoredFacts, model_facts
from rgbx_line.web.pages.proof import hold_unproven, promotion_proof
from rgbx_line.web.pages.sessions import SignedIn
from rgbx_line.web.pages.site import LineSite, SentForm, see_other

JOBS_SHOWN = 20
_LONGEST_CLASS = 100
_TAIL_BYTES = 4096
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b\x0c\x0e-\x1f]")
_PROGRESS = re.compile(r"\b(\d+)/(\d+)\b")
_TONES = {"active": "good", "candidate": "wait", "previous": "", "stored": ""}


@dataclass(frozen=True)
class ListedModel:
    """A model of the store, as the page lists it."""

    model: StoredModel
    role: ModelRole
    facts: StoredFacts | None
    """None where its bundle cannot be read."""

    @property
    def tone(self) -> str:
        """Of its tag."""
        return _TONES[self.role]


@dataclass(frozen=True)
class ListedJob:
    """A job, as the page lists it."""

    job: LineJob
    last_line: str
    """Of its output."""
    done: float | None
    """Share, as its last line says; None where it says none."""
    bundle: Path | None
    """The folder of a model that it made; None where it made none, or has not ended."""

    @property
    def state(self) -> str:
        """In a word or two."""
        if self.job.started is None:
            return "waits"
        if self.job.ended is None:
            return "runs"
        return "done" if self.job.code == 0 else f"failed ({self.job.code})"

    @property
    def tone(self) -> str:
        """Of its tag."""
        return {"waits": "", "runs": "wait", "done": "good"}.get(self.state, "bad")


def model_pages(site: LineSite) -> APIRouter:
    """Return the routes of the page Models."""
    router = APIRouter()
    reader = Annotated[SignedIn, Depends(site.needs(Role.OPERATOR))]
    change = Annotated[SentForm, Depends(site.changes(Role.ENGINEER))]
    chosen = Annotated[int, InPath(ge=1, le=LARGEST_WORD)]

    @router.get("/models")
    def models(person: reader) -> Response:
        store = ModelStore(site.folder.models)
        candidate = store.candidate
        listed = [
            ListedModel(model, store.role(number), model_facts(site.folder, number))
            for number, model in sorted(store.models().items(), reverse=True)
        ]
        return site.page(
            person,
            "models.html",
            "/models",
            models=listed,
            previous=store.previous,
            asks_proof=site.settings.promotion is not None and store.active is not None,
            proof=None if candidate is None else promotion_proof(site, candidate),
            jobs=_listed_jobs(site.folder),
            adds_classes=store.active is not None,
            trains_in_full=bool(_old_sets(site.settings)),
        )

    @router.get("/live/jobs")
    def jobs(person: reader) -> Response:
        return site.fragment(person, "models-jobs.html", jobs=_listed_jobs(site.folder))

    @router.post("/models/{number}/activate")
    async def activate(number: chosen, change: change) -> Response:
        await hold_unproven(site, number, change.person.name)
        await site.ask("activate", LOAD_WITHIN_S, number=number, who=change.person.name)
        change.person.say(f"Model {number} answers, from the next part on.")
        return see_other("/models")

    @router.post("/models/{number}/shadow")
    async def shadow(number: chosen, change: change) -> Response:
        await site.ask("shadow", LOAD_WITHIN_S, number=number, who=change.person.name)
        change.person.say(
            f"Model {number} is the candidate. It sees every part, and its answers are kept and never sent."
        )
        return see_other("/models")

    @router.post("/models/no-candidate")
    async def no_candidate(change: change) -> Response:
        await site.ask("shadow", number=None, who=change.person.name)
        change.person.say("There is no candidate any more.")
        return see_other("/models")

    @router.post("/models/roll-back")
    async def roll_back(change: change) -> Response:
        await site.ask("roll_back", LOAD_WITHIN_S, who=change.person.name)
        change.person.say("The previous model answers again.")
        return see_other("/models")

    @router.post("/models/add")
    async def add(change: change) -> Response:
        folder = change.field("folder")
        if not folder.startswith("/"):
            raise Refusal(422, f"{folder!r} is no whole path: give the bundle's folder from / on.")
        said = await site.ask("add_model", LOAD_WITHIN_S, folder=folder, who=change.person.name)
        change.person.say(f"The bundle is in the store as model {said['number']}. It does not answer yet.")
        return see_other("/models")

    @router.post("/models/classes")
    async def add_class(change: change) -> Response:
        name = change.field("name", longest=_LONGEST_CLASS)
        units = [line.strip() for line in change.field("units", longest=10_000).splitlines() if line.strip()]
        bad = [unit for unit in units if not unit.startswith("/")]
        if not units or bad or not name or name.startswith("-") or not name.isprintable():
            raise Refusal(422, "Give the class a name, and each unit's folder from / on, one a line.")
        job = await asyncio.to_thread(_add_class, site, name, units, bool(change.form.get("full")), change.person.name)
        await site.ask(
            "audit", what="job added", who=change.person.name, job=job.number, arguments=" ".join(job.arguments)
        )
        change.person.say(f"Job {job.number} makes a model with the class {name}.")
        return see_other("/models")

    return router


def _add_class(site: LineSite, name: str, units: list[str], full: bool, who: str) -> LineJob:
    """Add a job that adds a class to the active model."""
    store = ModelStore(site.folder.models)
    if store.active is None:
        raise Refusal(409, "No model is active that a class could be added to: activate one first.")
    if full and not _old_sets(site.settings):
        raise Refusal(
            409,
            "Training in full takes the images that the active model was trained on too: name their sets in line.yaml, "
            "under trained_on.",
        )
    number = max((job.number for job in read_jobs(site.folder)), default=0) + 1
    out = site.folder.jobs.resolve() / f"{number:06d}-model"
    arguments = ["classes", "add", str(store.bundle(store.active).resolve()), f"--name={name}", "--out", str(out)]
    arguments += [f"--unit={unit}" for unit in units]
    arguments += ["--images", str(out.with_name(f"{number:06d}-images"))]  # a later class is trained with them too
    if full:
        arguments += ["--full", *_old_sets(site.settings)]
    try:
        return add_job(site.folder, arguments, who)
    except RgbxError as error:
        raise Refusal(409, str(error)) from error


def _old_sets(settings: LineSettings) -> list[str]:
    """Return the options that give what the active model was trained on; none where line.yaml does not say it."""
    sets = given_modalities(settings.trained_on.rgb or None, settings.trained_on.xray or None)
    return [f"--old-{modality}={folder.resolve()}" for modality, folders in sets.items() for folder in folders]


def _listed_jobs(folder: LineFolder) -> list[ListedJob]:
    try:
        jobs = read_jobs(folder)
    except RgbxError as error:
        raise Refusal(503, str(error)) from error
    listed = []
    for job in jobs[-JOBS_SHOWN:][::-1]:
        line = _last_line(folder, job)
        found = _PROGRESS.findall(line)
        of = int(found[-1][1]) if found else 0
        done = min(1.0, int(found[-1][0]) / of) if of and job.ended is None else None
        listed.append(ListedJob(job, line, done, _made(job)))
    return listed


def _made(job: LineJob) -> Path | None:
    """Return the bundle that a job made."""
    arguments = dict(zip(job.arguments, job.arguments[1:], strict=False))
    out = Path(arguments.get("--out", ""))
    return out if job.code == 0 and out.is_absolute() and (out / BUNDLE_FILE).is_file() else None


def _last_line(folder: LineFolder, job: LineJob) -> str:
    """Return the last line of a job's output, without what moves a terminal's cursor."""
    path = output_of(folder, job)
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        text = file.read().decode("utf-8", "replace")
    lines = [line.strip() for line in re.split(r"[\r\n]", _CONTROL.sub("", text))]
    return next((line for line in reversed(lines) if line), "")[-300:]
