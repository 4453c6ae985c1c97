"""A line's web application whose inference keeps opinions, as the real one does."""

from pathlib import Path
from typing import Any

import pytest

from review_line import KNOWLEDGE, result_content
from rgbx.errors import RgbxError
from rgbx_line.review.models import StoreKnowledge
from web_line import WebLine


def know_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the line have a model, of which nothing is there but its classes."""
    monkeypatch.setattr(StoreKnowledge, "__call__", lambda _: KNOWLEDGE)
    monkeypatch.setattr(StoreKnowledge, "bundle", lambda *_: Path("no-bundle"))


class ReviewedLine(WebLine):
    """Keeps opinions in its log, as inference does."""

    async def _answer(self, do: str, content: dict[str, Any]) -> dict[str, Any]:
        if self.refuses:
            raise RgbxError("the disk is full: free some space.")
        self.asked.append((do, content))
        if do == "review":
            (entry,) = self.log.append([("review", content)])
            self.tell()
            return {"number": entry.number}
        return {}

    def add(self, *answers: dict[str, Any], part: str | None = None) -> list[int]:
        contents = [result_content(self.log.number + 1 + place, each, part) for place, each in enumerate(answers)]
        entries = self.log.append([("result", content) for content in contents])
        self.tell()
        return [entry.number for entry in entries]

    def opinions(self) -> list[tuple[int, str | None, str]]:
        return [(content["number"], content["label"], content["who"]) for do, content in self.asked if do == "review"]
