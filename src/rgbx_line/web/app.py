"""What a line answers over HTTP: JSON, a refusal being ``{"error": SENTENCE}``, and pages for people.

Whether it lives, is ready, and its figures are told to anybody; all below ``/api`` needs a user, and pages somebody who
is signed in.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from rgbx.errors import RgbxError
from rgbx_line.channel import Link
from rgbx_line.contract import LARGEST_WORD
from rgbx_line.history import PartIndex, find_part, results_after
from rgbx_line.log.entry import Entry
from rgbx_line.settings import LineFolder, LineSettings, UploadLimits, WebServer
from rgbx_line.users import Role
from rgbx_line.web.access import Access, Caller, Guard, Refusal
from rgbx_line.web.asking import LOAD_WITHIN_S, announced_through, ask_inference, why_not_ready
from rgbx_line.web.metrics import Metrics
from rgbx_line.web.pages.pages import add_pages
from rgbx_line.web.pages.proof import hold_unproven
from rgbx_line.web.pages.site import LineSite, NotSignedIn, wants_a_page
from rgbx_line.web.uploads import discard_images, receive_images

MOST_RESULTS = 1000
COUNT_EVERY_S = 1.0
INDEX_EVERY_S = 30.0
PAGES_EVERY_S = 0.2
_log = structlog.get_logger("rgbx.line.web")


def build_app(settings: LineSettings, folder: LineFolder, link: Link) -> FastAPI:
    """Return the application.

    Args:
        settings: of the line.
        folder: of the line.
        link: to inference, opened by whoever runs the application, in the same event loop.
    """
    metrics = Metrics(folder, link)
    access = Access(folder.users, link)
    limits = (settings.web or WebServer()).upload
    site = LineSite(settings, folder, link, access)

    @contextlib.asynccontextmanager
    async def keep_up(_: FastAPI) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(_again_and_again(metrics.count, COUNT_EVERY_S)),
            asyncio.create_task(_again_and_again(lambda: _index(folder), INDEX_EVERY_S)),
            asyncio.create_task(_again_and_again(site.recent.keep_up, PAGES_EVERY_S)),
            asyncio.create_task(_again_and_again(site.ledger.walk_on, PAGES_EVERY_S)),
        ]
        yield
        for task in tasks:
            task.cancel()
        site.gallery.close()

    app = FastAPI(title="rgbx line", docs_url=None, redoc_url=None, openapi_url=None, lifespan=keep_up)
    app.state.site = site
    app.add_middleware(Guard)
    for error in (RgbxError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(error, partial(_refuse, site))
    app.include_router(_health(link, metrics))
    app.include_router(_parts(folder, link, access, limits))
    app.include_router(_control(link, access, site))
    add_pages(app, site)
    return app


def _health(link: Link, metrics: Metrics) -> APIRouter:
    router = APIRouter()

    @router.get("/healthz")
    async def live() -> dict[str, bool]:
        return {"alive": True}

    @router.get("/readyz")
    async def ready(response: Response) -> dict[str, Any]:
        state = link.state
        response.status_code = 200 if state.ready else 503
        return {"ready": state.ready, "fault": state.fault, "fault_text": state.fault_text}

    @router.get("/metrics")
    def figures() -> Response:
        metrics.count()
        return Response(metrics.to_text(), media_type=CONTENT_TYPE_LATEST)

    return router


def _parts(folder: LineFolder, link: Link, access: Access, limits: UploadLimits) -> APIRouter:
    operator = Depends(access.needs(Role.OPERATOR))
    router = APIRouter(prefix="/api/parts", dependencies=[operator])

    @router.post("", status_code=202)
    async def upload(request: Request, response: Response) -> dict[str, Any]:
        if not link.state.ready:
            raise Refusal(503, why_not_ready(link), {"Retry-After": "1"})
        part_id, images = await receive_images(request, folder.uploads, limits)
        try:
            paths = {modality: str(path) for modality, path in images.items()}
            said = await ask_inference(link, "uploaded", part_id=part_id, images=paths)
        except Refusal as error:
            if error.status == 409:  # else inference may have taken them
                discard_images(images)
            raise Refusal(503, str(error), {"Retry-After": "1"}) from error
        if "refused" not in said:
            return said
        discard_images(images)
        response.status_code = 409
        answers = await asyncio.to_thread(find_part, folder, part_id or "", 1, through=announced_through(link))
        # Who sends a part again, since it heard nothing of it, learns that it was taken, and what became of it.
        return {"error": said["refused"], **({"number": answers[0].number} if answers else {})}

    @router.get("")
    def by_number(
        after: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=1, le=MOST_RESULTS)] = 100
    ) -> dict[str, Any]:
        found, reached = results_after(folder, after, announced_through(link), limit)
        return {"results": [_told(entry) for entry in found], "after": reached}

    @router.get("/{part_id:path}")
    def by_part(part_id: str, limit: Annotated[int, Query(ge=1, le=MOST_RESULTS)] = 10) -> dict[str, Any]:
        found = find_part(folder, part_id, limit, through=announced_through(link))
        if not found:
            raise Refusal(404, f"There is no answer for the part {part_id!r}: check its name.")
        return {"results": [_told(entry) for entry in found]}

    return router


def _control(link: Link, access: Access, site: LineSite) -> APIRouter:
    operator, engineer = (Depends(access.needs(role)) for role in (Role.OPERATOR, Role.ENGINEER))
    router = APIRouter(prefix="/api")

    @router.get("/state", dependencies=[operator])
    async def state() -> dict[str, Any]:
        return link.state.model_dump(mode="json")

    @router.post("/halt")
    async def halt(person: Annotated[Caller, operator]) -> dict[str, Any]:
        return await ask_inference(link, "halt", who=person.name)

    @router.post("/resume")
    async def resume(person: Annotated[Caller, operator]) -> dict[str, Any]:
        return await ask_inference(link, "resume", who=person.name)

    @router.get("/models", dependencies=[operator])
    async def models() -> dict[str, Any]:
        return await ask_inference(link, "models")

    @router.post("/models/{number}/activate")
    async def activate(
        number: Annotated[int, Path(ge=1, le=LARGEST_WORD)], person: Annotated[Caller, engineer]
    ) -> dict[str, Any]:
        await hold_unproven(site, number, person.name)
        return await ask_inference(link, "activate", LOAD_WITHIN_S, number=number, who=person.name)

    @router.post("/models/roll-back")
    async def roll_back(person: Annotated[Caller, engineer]) -> dict[str, Any]:
        return await ask_inference(link, "roll_back", LOAD_WITHIN_S, who=person.name)

    return router


def _told(entry: Entry) -> dict[str, Any]:
    return {"number": entry.number, "time": entry.time.isoformat(), **entry.content}


def _index(folder: LineFolder) -> None:
    with PartIndex(folder) as index:
        index.update()


async def _again_and_again(work: Callable[[], object], seconds: float) -> None:
    """Do some work in a thread, and again; trouble is said once and ends nothing."""
    said = ""
    while True:
        trouble = ""
        try:
            await asyncio.to_thread(work)
        except (RgbxError, OSError) as error:
            trouble = str(error)
            if trouble != said:
                _log.error("cannot keep up with the log", problem=trouble)
        said = trouble
        await asyncio.sleep(seconds)


async def _refuse(site: LineSite, request: Request, error: Exception) -> Response:
    if isinstance(error, NotSignedIn) and wants_a_page(request):
        return site.to_sign_in(request)
    status, sentence, headers = _why_refused(error)
    if wants_a_page(request):
        return site.refusal(request, status, sentence, headers)
    return JSONResponse({"error": sentence}, status, headers)


def _why_refused(error: Exception) -> tuple[int, str, dict[str, str]]:
    """Return the status, the sentence and the headers that tell of an error."""
    match error:
        case Refusal():
            return error.status, str(error), error.headers
        case RgbxError():
            return 503, str(error), {}
        case HTTPException():
            return error.status_code, f"{error.detail}.", dict(error.headers or {})
        case RequestValidationError():
            faults = "; ".join(f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors())
            return 422, f"The request cannot be used ({faults}).", {}
        case _:
            return 500, "Something went wrong: the log of the web process says what.", {}
