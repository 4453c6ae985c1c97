"""The page Part: everything about one device."""

import json
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from rgbx.modality import MODALITIES
from rgbx_line.contract import LATE_ANSWER, RESULT, REVIEW, SHADOW_ANSWER, PartResult, images_in, said_in
from rgbx_line.history import find_part
from rgbx_line.log.entry import Entry
from rgbx_line.users import Role
from rgbx_line.web.pages.bundles import StoredFacts, model_facts
from rgbx_line.web.pages.entries import image_file
from rgbx_line.web.pages.sessions import SignedIn
from rgbx_line.web.pages.site import LineSite

MOST_ENTRIES = 200
LONGEST_NAME = 200
_ANSWERS = {
    RESULT: "Answer",
    LATE_ANSWER: "What the model said too late",
    SHADOW_ANSWER: "What the candidate says",
}


@dataclass(frozen=True)
class PartAnswer:
    """What a model said of a part."""

    title: str
    entry: Entry
    said: dict[str, Any]
    model: StoredFacts | None

    @property
    def number(self) -> int:
        """Of the model; 0 is none."""
        return int(self.entry.content.get("model_number", 0))

    @property
    def classes(self) -> list[tuple[str, list[float | None]]]:
        """Classes, the likeliest first, each with its probability: of both streams together, then of each alone."""
        together: dict[str, float] = self.said.get("probabilities") or {}
        alone: dict[str, dict[str, float]] = self.said.get("alone") or {}
        shares = {
            label: [share, *(alone.get(each, {}).get(label) for each in MODALITIES)]
            for label, share in together.items()
        }
        return sorted(shares.items(), key=lambda each: -together[each[0]])


def part_pages(site: LineSite) -> APIRouter:
    """Return the routes of the page Part."""
    router = APIRouter(prefix="/parts")
    reader = Annotated[SignedIn, Depends(site.needs(Role.OPERATOR))]

    @router.get("")
    def search(person: reader, part: Annotated[str, Query(max_length=LONGEST_NAME)] = "") -> Response:
        return _part(site, person, part) if part else _missing(site, person, "")

    @router.get("/{part_id:path}")
    def part(person: reader, part_id: str) -> Response:
        return _part(site, person, part_id)

    return router


def _part(site: LineSite, person: SignedIn, part_id: str) -> Response:
    entries = find_part(site.folder, part_id, MOST_ENTRIES, kind=None, through=site.announced)
    if not entries:
        return _missing(site, person, part_id)
    answers = [
        PartAnswer(
            _ANSWERS[entry.kind],
            entry,
            said_in(entry.content),
            model_facts(site.folder, entry.content["model_number"]),
        )
        for entry in entries
        if entry.kind in _ANSWERS and entry.content.get("model_number") is not None
    ]
    results = [entry for entry in entries if entry.kind == RESULT]
    shown = _shown(entries)
    return site.page(
        person,
        "part.html",
        part_id=part_id,
        result=PartResult.model_validate(results[0].content) if results else None,
        answered=results[0] if results else None,
        answers=answers,
        shown=shown,
        there={modality: shown is not None and _is_there(site, shown, modality) for modality in MODALITIES},
        looked=_looked(shown),
        reviews=[entry for entry in entries if entry.kind == REVIEW],
        entries=[(entry, json.dumps(entry.content, indent=2, ensure_ascii=False)) for entry in entries],
        flat=site.settings.flat,
    )


def _missing(site: LineSite, person: SignedIn, part_id: str) -> Response:
    like = [each for each in site.recent.last if part_id.lower() in each.part.part_id.lower()]
    return site.page(person, "part-missing.html", status=404 if part_id else 200, part_id=part_id, like=like[:20])


def _shown(entries: list[Entry]) -> Entry | None:
    """Return the entry whose images are shown: the answer's, else what was said too late."""
    for kind in (RESULT, LATE_ANSWER):
        for entry in entries:
            if entry.kind == kind and images_in(entry.content):
                return entry
    return None


def _is_there(site: LineSite, entry: Entry, modality: Any) -> bool:
    return image_file(site.folder, entry, modality) is not None


def _looked(entry: Entry | None) -> dict[str, Any]:
    """Return where each stream looked, by modality; nothing where an entry does not say it."""
    return said_in(entry.content).get("looked") or {} if entry else {}
