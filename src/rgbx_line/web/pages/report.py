"""The page Report: what the line did in a period, to read, to print and as tables."""

import io
import threading
import zipfile
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import HTMLResponse

from rgbx.errors import RgbxError
from rgbx_line.users import Role
from rgbx_line.web.access import Refusal
from rgbx_line.web.pages.sessions import SignedIn
from rgbx_line.web.pages.site import PAGE_HEADERS, LineSite

if TYPE_CHECKING:
    from rgbx_line.report.line_report import LineReport

REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Of the report itself, which holds its own style and has nothing that runs."""
Day = Annotated[str, Query(max_length=32)]


def report_pages(site: LineSite) -> APIRouter:
    """Return the routes of the page Report."""
    router = APIRouter(prefix="/report")
    reader = Annotated[SignedIn, Depends(site.needs(Role.OPERATOR))]
    one_at_a_time = threading.Lock()

    @router.get("")
    def choose(person: reader) -> Response:
        zone = site.settings.zone
        today = datetime.now(ZoneInfo(zone) if zone else None).date()
        return site.page(
            person,
            "report.html",
            "/report",
            since=today.replace(day=1),
            until=today,
            zone=zone or "the line's computer",
        )

    @router.get("/page", dependencies=[Depends(site.needs(Role.OPERATOR))])
    def page(since: Day, until: Day) -> Response:
        from rgbx_line.report.page import report_page

        headers = {**PAGE_HEADERS, "Content-Security-Policy": REPORT_POLICY}
        return HTMLResponse(report_page(_made(site, one_at_a_time, since, until)), headers=headers)

    @router.get("/tables", dependencies=[Depends(site.needs(Role.OPERATOR))])
    def tables(since: Day, until: Day) -> Response:
        from rgbx_line.report.tables import csv_files

        report = _made(site, one_at_a_time, since, until)
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in csv_files(report).items():
                archive.writestr(name, text)
        name = f"report_{report.since:%Y-%m-%d}_{report.until:%Y-%m-%d}.zip"
        headers = {**PAGE_HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
        return Response(content.getvalue(), media_type="application/zip", headers=headers)

    return router


def _made(site: LineSite, one_at_a_time: threading.Lock, since: str, until: str) -> "LineReport":
    # Only here, since DuckDB is large and most web processes never make a report.
    from rgbx_line.report.line_report import report_of
    from rgbx_line.report.period import read_period

    announced = site.announced
    if not one_at_a_time.acquire(blocking=False):
        raise Refusal(503, "Another report is being made: try again in a moment.", {"Retry-After": "5"})
    try:
        return report_of(site.settings, read_period(since, until, site.settings.zone), announced)
    except RgbxError as error:
        raise Refusal(422, str(error)) from error
    finally:
        one_at_a_time.release()
