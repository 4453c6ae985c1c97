"""On the page Line: alarms of drift, in words that an operator acts on, and how an engineer ends them."""

from datetime import datetime
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Response

from rgbx.errors import RgbxError
from rgbx_line.drift.report import ACKNOWLEDGED, DriftReport, StandingAlarm, read_drift
from rgbx_line.users import Role
from rgbx_line.web.access import Refusal
from rgbx_line.web.pages.sessions import SignedIn
from rgbx_line.web.pages.site import LineSite, SentForm, see_other

_HEADLINES = {
    "camera": "Photographs look otherwise than before",
    "X-ray tube or detector": "Radiographs look otherwise than before",
    "new devices": "Devices come that look otherwise than before",
}
_REMEDIES = {
    "camera": "Look at the lamps and at the lens, and whether light falls in from outside.",
    "X-ray tube or detector": (
        "Look at the tube's voltage and current. Where they are right, take the detector's flat and dark fields anew."
    ),
    "new devices": (
        "Look at the parts since then on the page Review. Where they are of a kind that the model does not know, an "
        "engineer adds it on the page Models."
    ),
}
_DIFFERS = {
    "rgb": "photographs are stranger to the model",
    "xray": "radiographs are stranger to the model",
    "rgbx": "photograph and radiograph fit each other less",
    "rgb brightness": "brightness of photographs",
    "rgb warmth": "colour of their light",
    "rgb contrast": "contrast of photographs",
    "rgb noise": "noise of photographs",
    "rgb sharpness": "sharpness of photographs",
    "xray open beam": "brightness of radiographs beside the device",
    "xray noise": "noise of radiographs",
    "xray stripes": "stripes in radiographs",
    "xray shading": "shading of radiographs",
    "xray density": "how dense devices look",
}
"""What differs, by the signal whose alarm stands."""


class DriftNotice(NamedTuple):
    """Alarms of one cause, as the page shows them."""

    cause: str
    headline: str
    differs: str
    """A sentence."""
    remedy: str
    since_part: str | None
    """None when the log has it no more."""
    since_time: datetime | None
    devices: int
    strange: int
    """Of these, of the alarm by which they stand out most."""
    classes: tuple[str, ...]
    """That new devices are taken for."""
    last: int
    """Of the entries at which alarms sounded, the last one: who ends what is shown ends no later one."""


def drift_pages(site: LineSite) -> APIRouter:
    """Return the routes of drift alarms."""
    router = APIRouter()
    reader = Annotated[SignedIn, Depends(site.needs(Role.OPERATOR))]
    change = Annotated[SentForm, Depends(site.changes(Role.ENGINEER))]

    @router.get("/live/drift")
    def drift(person: reader) -> Response:
        return site.fragment(person, "line-drift.html", **drift_shown(site))

    @router.post("/drift/acknowledge")
    async def acknowledge(change: change) -> Response:
        cause, last, anew = change.field("cause"), change.field("last"), change.field("anew")
        if not last.isdecimal() or anew not in ("yes", "no"):
            raise Refusal(422, "The form does not say which alarm ends, or why: load the page again.")
        ended = {
            alarm.signal: alarm.number
            for alarm in _report(site).alarms
            if alarm.cause == cause and alarm.number <= int(last)
        }
        if not ended:
            raise Refusal(409, "This alarm has ended, or has another cause by now: load the page again.")
        await site.ask("audit", what=ACKNOWLEDGED, who=change.person.name, signals=ended, anew=anew == "yes")
        change.person.say("The drift alarm ends within seconds.")
        return see_other("/")

    return router


def drift_shown(site: LineSite) -> dict[str, Any]:
    """Return what the page Line shows of drift."""
    report = _report(site)
    by_cause: dict[str, list[StandingAlarm]] = {}
    for alarm in report.alarms:
        by_cause.setdefault(alarm.cause, []).append(alarm)
    notices = [_notice(cause, alarms) for cause, alarms in by_cause.items()]
    return {"notices": notices, "usual": report.usual, "drift_trouble": report.trouble}


def _report(site: LineSite) -> DriftReport:
    try:
        return read_drift(site.folder)
    except RgbxError as error:
        return DriftReport(trouble=str(error))


def _notice(cause: str, alarms: list[StandingAlarm]) -> DriftNotice:
    first = min(alarms, key=lambda alarm: alarm.since)
    clearest = max(alarms, key=lambda alarm: alarm.strange / max(alarm.devices, 1))
    return DriftNotice(
        cause=cause,
        headline=_HEADLINES[cause],
        differs=", ".join(_DIFFERS.get(alarm.signal, alarm.signal) for alarm in alarms),
        remedy=_REMEDIES[cause],
        since_part=first.since_part,
        since_time=first.since_time,
        devices=clearest.devices,
        strange=clearest.strange,
        classes=clearest.classes if cause == "new devices" else (),
        last=max(alarm.number for alarm in alarms),
    )
