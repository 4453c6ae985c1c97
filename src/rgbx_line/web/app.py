"""What a line answers over HTTP: JSON, a refusal being ``{"error": SENTENCE}``.

Whether it lives, is ready, and its figures are told to anybody; all below ``/api`` needs a user.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from rgbx.errors import RgbxError
from rgbx_line.channel import Link
from rgbx_line.contract import LARGEST_WORD, FaultCode
from rgbx_line.history import PartIndex, find_part, results_after
from rgbx_line.log.entry import Entry
from rgbx_line.settings import LineFolder, LineSettings, UploadLimits, WebServer
from rgbx_line.users import Role
from rgbx_line.web.access import Access, Caller, Guard, Refusal
from rgbx_line.web.metrics import Metrics
from rgbx_line.web.uploads import discard_images, receive_images

ANSWER_WITHIN_S = 5.0
LOAD_WITHIN_S = 120.0
"""A model is loaded, and tested on the golden devices, before inference answers."""
MOST_RESULTS = 1000
COUNT_EVERY_S = 1.0
INDEX_EVERY_S = 30.0
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

    @contextlib.asynccontextmanager
    async def keep_up(_: FastAPI) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(_again_and_again(metrics.count, COUNT_EVERY_S)),
            asyncio.create_task(_again_and_again(lambda: _index(folder), INDEX_EVERY_S)),
        ]
        yield
        for task in tasks:
            task.cancel()

    app = FastAPI(title="rgbx line", docs_url=None, redoc_url=None, openapi_url=None, lifespan=keep_up)
    app.add_middleware(Guard)
    for error in (RgbxError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(error, _refuse)
    app.include_router(_health(link, metrics))
    app.include_router(_parts(folder, link, access, limits))
    app.include_router(_control(link, access))
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
    async def upload(request: Request) -> dict[str, Any]:
        if not link.state.ready:
            raise Refusal(503, _why_not(link), {"Retry-After": "1"})
        part_id, images = await receive_images(request, folder.uploads, limits)
        try:
            paths = {modality: str(path) for modality, path in images.items()}
            return await _ask(link, "uploaded", ANSWER_WITHIN_S, part_id=part_id, images=paths)
        except Refusal as error:
            if error.status == 409:  # else inference may have taken them
                discard_images(images)
            raise Refusal(503, str(error), {"Retry-After": "1"}) from error

    @router.get("")
    def by_number(
        after: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=1, le=MOST_RESULTS)] = 100
    ) -> dict[str, Any]:
        found, reached = results_after(folder, after, _announced(link), limit)
        return {"results": [_told(entry) for entry in found], "after": reached}

    @router.get("/{part_id:path}")
    def by_part(part_id: str, limit: Annotated[int, Query(ge=1, le=MOST_RESULTS)] = 10) -> dict[str, Any]:
        found = find_part(folder, part_id, limit, through=_announced(link))
        if not found:
            raise Refusal(404, f"There is no answer for the part {part_id!r}: check its name.")
        return {"results": [_told(entry) for entry in found]}

    return router


def _control(link: Link, access: Access) -> APIRouter:
    operator, engineer = (Depends(access.needs(role)) for role in (Role.OPERATOR, Role.ENGINEER))
    router = APIRouter(prefix="/api")

    @router.get("/state", dependencies=[operator])
    async def state() -> dict[str, Any]:
        return link.state.model_dump(mode="json")

    @router.post("/halt")
    async def halt(person: Annotated[Caller, operator]) -> dict[str, Any]:
        return await _ask(link, "halt", ANSWER_WITHIN_S, who=person.name)

    @router.post("/resume")
    async def resume(person: Annotated[Caller, operator]) -> dict[str, Any]:
        return await _ask(link, "resume", ANSWER_WITHIN_S, who=person.name)

    @router.get("/models", dependencies=[operator])
    async def models() -> dict[str, Any]:
        return await _ask(link, "models", ANSWER_WITHIN_S)

    @router.post("/models/{number}/activate")
    async def activate(
        number: Annotated[int, Path(ge=1, le=LARGEST_WORD)], person: Annotated[Caller, engineer]
    ) -> dict[str, Any]:
        return await _ask(link, "activate", LOAD_WITHIN_S, number=number, who=person.name)

    @router.post("/models/roll-back")
    async def roll_back(person: Annotated[Caller, engineer]) -> dict[str, Any]:
        return await _ask(link, "roll_back", LOAD_WITHIN_S, who=person.name)

    return router


async def _ask(link: Link, do: str, within: float, **content: Any) -> dict[str, Any]:
    """Ask inference; 409 when it refuses, 503 when it cannot be reached, 504 when it is silent."""
    try:
        async with asyncio.timeout(within):
            return await link.ask(do, **content)
    except TimeoutError:
        raise Refusal(504, f"The line's inference has not answered within {within:g} s: see what it did.") from None
    except RgbxError as error:
        raise Refusal(503 if _is_away(link) else 409, str(error)) from error


def _is_away(link: Link) -> bool:
    return link.state.fault is FaultCode.STARTING


def _announced(link: Link) -> int:
    """Return how far the log may be told of."""
    if link.state.announced == 0 and _is_away(link):
        raise Refusal(503, _why_not(link), {"Retry-After": "1"})
    return link.state.announced


def _why_not(link: Link) -> str:
    return link.state.fault_text or "The line is not ready: try again in a moment."


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


async def _refuse(_: Request, error: Exception) -> JSONResponse:
    match error:
        case Refusal():
            return JSONResponse({"error": str(error)}, error.status, error.headers)
        case RgbxError():
            return JSONResponse({"error": str(error)}, 503)
        case HTTPException():
            return JSONResponse({"error": f"{error.detail}."}, error.status_code, error.headers)
        case RequestValidationError():
            faults = "; ".join(f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors())
            return JSONResponse({"error": f"The request cannot be used ({faults})."}, 422)
        case _:
            return JSONResponse({"error": "Something went wrong: the log of the web process says what."}, 500)
