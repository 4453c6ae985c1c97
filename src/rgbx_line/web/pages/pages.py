"""All pages of a line."""

from fastapi import FastAPI

from rgbx_line.web.pages.audit import audit_pages
from rgbx_line.web.pages.drift import drift_pages
from rgbx_line.web.pages.images import image_routes
from rgbx_line.web.pages.line import line_pages
from rgbx_line.web.pages.models import model_pages
from rgbx_line.web.pages.part import part_pages
from rgbx_line.web.pages.report import report_pages
from rgbx_line.web.pages.review import review_pages
from rgbx_line.web.pages.signing_in import signing_in
from rgbx_line.web.pages.site import PAGES_FOLDER, STATIC, LineSite, StaticPages

_SECTIONS = (
    signing_in,
    line_pages,
    drift_pages,
    part_pages,
    image_routes,
    review_pages,
    model_pages,
    report_pages,
    audit_pages,
)


def add_pages(app: FastAPI, site: LineSite) -> None:
    """Add the pages to an application."""
    app.mount(STATIC, StaticPages(directory=PAGES_FOLDER / "static"))
    for section in _SECTIONS:
        app.include_router(section(site))
