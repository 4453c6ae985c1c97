"""The page Line: the last device large, those before it small, the last hour, and the state of the line."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from rgbx_line.users import Role
from rgbx_line.web.pages.drift import drift_shown
from rgbx_line.web.pages.recent import ASIDE_NAME, LastHour
from rgbx_line.web.pages.sessions import SignedIn
from rgbx_line.web.pages.site import PAGE_HEADERS, LineSite, SentForm, see_other
from rgbx_line.web.pages.words import fingerprint

COLOURS = 7
"""Bins that have a colour of their own; more could not be told apart."""
_OTHERS = "other bins"


@dataclass(frozen=True)
class Band:
    """What a chart stacks, and a table lists."""

    label: str
    colour: str
    """Name of the style sheet's variable, without ``--series-``."""
    total: int
    counts: list[int]
    """By minute."""


def line_pages(site: LineSite) -> APIRouter:
    """Return the routes of the page Line."""
    router = APIRouter()
    reader = Annotated[SignedIn, Depends(site.needs(Role.OPERATOR))]
    change = Annotated[SentForm, Depends(site.changes(Role.OPERATOR))]

    @router.get("/")
    async def line(person: reader) -> Response:
        return site.page(person, "line.html", "/", **_parts(site), **_hour(site), **drift_shown(site))

    @router.get("/live/banner")
    async def banner(person: reader, seen: str = "") -> Response:
        if seen == fingerprint(site.link.state.model_dump_json()):
            return _nothing_new()
        return site.fragment(person, "banner.html")

    @router.get("/live/line")
    async def parts(person: reader, seen: int = -1) -> Response:
        if seen == site.recent.version:
            return _nothing_new()
        return site.fragment(person, "line-parts.html", **_parts(site))

    @router.get("/live/hour")
    async def hour(person: reader) -> Response:
        return site.fragment(person, "line-hour.html", **_hour(site))

    @router.post("/halt")
    async def halt(change: change) -> Response:
        await site.ask("halt", who=change.person.name)
        change.person.say("The line is halted. It takes no more parts.")
        return see_other("/")

    @router.post("/resume")
    async def resume(change: change) -> Response:
        await site.ask("resume", who=change.person.name)
        change.person.say("The line takes parts again.")
        return see_other("/")

    return router


def _parts(site: LineSite) -> dict[str, Any]:
    return {"parts": site.recent.last, "version": site.recent.version, "trouble": site.recent.trouble}


def _hour(site: LineSite) -> dict[str, Any]:
    hour = site.recent.hour()
    bins = _bands(hour, [*site.settings.bins])
    reasons = _reasons(hour)
    latencies = [minute.latencies for minute in hour.minutes]
    charts = {
        "begins": int(hour.begins.timestamp()),
        "bins": _drawn(bins),
        "reasons": _drawn(reasons),
        "latency": {
            "middle": [round(median(each), 1) if each else None for each in latencies],
            "longest": [round(max(each), 1) if each else None for each in latencies],
        },
    }
    every = [latency for each in latencies for latency in each]
    return {
        "hour": hour,
        "bins": bins,
        "reasons": reasons,
        "charts": json.dumps(charts),
        "middle": median(every) if every else None,
        "longest": max(every, default=None),
        "deadline": site.settings.deadline,
    }


def _bands(hour: LastHour, known: list[str]) -> list[Band]:
    """Return bins in the order of the settings, and last the parts put aside."""
    totals = hour.bins
    names = [*known, *sorted(totals.keys() - {*known, ASIDE_NAME}, key=_in_order)]
    largest = {name for name, _ in Counter({name: totals[name] for name in names}).most_common(COLOURS)}
    coloured = names if len(names) <= COLOURS else [name for name in names if name in largest]
    colours = {name: str(place) for place, name in enumerate(coloured, start=1)} | {ASIDE_NAME: "aside"}
    return [
        Band(name, colours.get(name, "8"), totals[name], [minute.bins[name] for minute in hour.minutes])
        for name in [*names, ASIDE_NAME]
    ]


def _in_order(name: str) -> list[tuple[int, str]]:
    """Return what puts SP2 before SP10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _reasons(hour: LastHour) -> list[Band]:
    totals = hour.reasons
    names = [name for name, _ in totals.most_common() if name != "late"]
    colours = {name: str(place % 8 + 1) for place, name in enumerate(names)} | {"late": "late"}
    return [
        Band(name, colours[name], totals[name], [minute.reasons[name] for minute in hour.minutes])
        for name in [*names, *(["late"] if totals["late"] else [])]
    ]


def _drawn(bands: list[Band]) -> list[dict[str, Any]]:
    """Return what a chart stacks: bands of one colour are one."""
    by_colour: dict[str, Band] = {}
    for band in bands:
        before = by_colour.get(band.colour)
        if before is not None:
            counts = [one + other for one, other in zip(before.counts, band.counts, strict=True)]
            band = Band(_OTHERS, band.colour, before.total + band.total, counts)
        by_colour[band.colour] = band
    return [{"label": band.label, "colour": band.colour, "counts": band.counts} for band in by_colour.values()]


def _nothing_new() -> Response:
    return Response(status_code=204, headers=PAGE_HEADERS)
