"""Results of ``rgbx predict`` or ``rgbx watch``, without a line, as a log that can be reviewed like a line's."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rgbx.errors import InputError
from rgbx.inference.results import Result, read_results
from rgbx.models.header import read_bundle_header
from rgbx.trust.decision import Decision
from rgbx_line.contract import ASIDE, PART_SEQ_MODULUS, REASONS, RESULT, REVIEW, PartResult, ReasonCode
from rgbx_line.log.line_log import LineLog
from rgbx_line.log.segments import read_entries
from rgbx_line.review.models import ModelKnowledge, read_model_facts
from rgbx_line.settings import LineFolder

LAB_MODEL = 1
"""Number of the one model of a lab."""
TOGETHER = 1000
"""Results that are written at once."""


class LabLog:
    """A log of results and of what reviewers say of them, in a folder beside the results.

    What is new among the results is taken in when it is opened. Close it to let another process review.

    Args:
        bundle: that the results are of.
        results: a file of results, a line each, or a folder of such files.
        folder: of the log; where the results are, when None.

    Raises:
        InputError: there are no results, they are of another model, or another process reviews them.
    """

    def __init__(self, bundle: Path, results: Path, folder: Path | None = None) -> None:
        header = read_bundle_header(bundle)
        files = _result_files(results)
        self.bundle = bundle
        self.folder = LineFolder(folder or results.with_name(f"{results.name}.review"))
        facts = read_model_facts(bundle)
        self.knowledge = ModelKnowledge({LAB_MODEL: facts})
        bins = facts.sorting.bins if facts.sorting else ()
        self._log = LineLog(self.folder.log)
        try:
            self.taken_in = self._take_in(files, header.weights_sha256, bins)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let another process review."""
        self._log.close()

    @property
    def number(self) -> int:
        """Number of the last entry."""
        return self._log.number

    async def keep(self, *, number: int, part_id: str, label: str | None, who: str, why: str) -> None:
        """Put an opinion into the log.

        Raises:
            RgbxError: the disk is full or the folder cannot be written.
        """
        content = {"number": number, "part_id": part_id, "label": label, "who": who, "why": why}
        await asyncio.to_thread(self._log.append, [(REVIEW, content)])

    def _take_in(self, files: Sequence[Path], weights_sha256: str, bins: Sequence[str]) -> int:
        """Write the results that the log does not have; return how many there were."""
        known, seq = set(), 0
        for entry, _ in read_entries(self.folder.log):
            if entry.kind == RESULT:
                known.add(entry.content["result"]["ResultId"]["Id"])
                seq = entry.content["seq"]
        count, things = 0, []
        for file, result in _all_results(files):
            if result.content.model != weights_sha256:
                raise InputError(
                    file, f"holds answers of another model than {self.bundle}", "give the bundle they are of"
                )
            if result.result_id.id in known:
                continue
            known.add(result.result_id.id)
            seq = (seq + 1) % PART_SEQ_MODULUS
            things.append((RESULT, _content(result, seq, bins, file.parent)))
            count += 1
            if len(things) == TOGETHER:
                self._log.append(things)
                things = []
        self._log.append(things)
        return count


def _result_files(results: Path) -> list[Path]:
    if not results.exists():
        raise InputError(results, "does not exist", "give what 'rgbx predict --out' or 'rgbx watch --out' wrote")
    if results.is_file():
        return [results]
    found = sorted(results.glob("*.jsonl"))
    if not found:
        raise InputError(results, "holds no results (*.jsonl)", "give what 'rgbx predict --out' wrote, or its folder")
    return found


def _all_results(files: Sequence[Path]) -> Iterator[tuple[Path, Result]]:
    for file in files:
        for result in read_results(file):
            yield file, result


def _content(result: Result, seq: int, bins: Sequence[str], beside: Path) -> dict[str, Any]:
    said = result.content
    decision = said.decision or Decision(None, None)
    reason = decision.reason or (None if decision.bin else "no bin")
    part = PartResult(
        seq=seq,
        part_id=result.part_id.id,
        bin=decision.bin,
        bin_code=ASIDE if decision.bin is None else bins.index(decision.bin) + 1 if decision.bin in bins else ASIDE,
        reason=reason,
        reason_code=REASONS[reason] if reason else ReasonCode.NONE,
        model_number=LAB_MODEL,
        images={modality: str(_place(Path(image), beside)) for modality, image in said.images.items()},
        result=result.model_dump(mode="json", by_alias=True),
    )
    return part.model_dump(mode="json")


def _place(image: Path, beside: Path) -> Path:
    """Return where an image is: results name it from the folder on that they were made in."""
    places = (image, beside / image, beside / image.name)
    return next((place.resolve() for place in places if place.is_file()), image)
