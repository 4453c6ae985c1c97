"""Results as a plant's software reads them, and the log that keeps them.

Fields are named after ``ResultDataType`` of OPC 40100-1, OPC UA for Machine Vision; what ``ResultContent`` holds is
ours.
"""

import base64
import csv
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import numpy as np
from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_pascal

from rgbx.config import Config
from rgbx.errors import InputError
from rgbx.files import claim, readable_os_errors, write_text
from rgbx.inference.arrivals import Arrival
from rgbx.inference.predictor import BATCH, Encoded, Looked, Prediction, Predictor
from rgbx.modality import Modality
from rgbx.names import printable
from rgbx.trust.decision import Decision

COMPLETED, FAILED = 1, 4
"""Two of ``ResultStateDataType``."""
_BEGINNING = b'{"ResultId":'
COLUMNS = (
    "CreationTime", "PartId", "ResultState", "label", "probability", "bin", "reason", "candidates", "unknown_score",
    "rgb", "xray", "warnings", "errors",
)  # fmt: skip
"""Of the CSV file."""


class _OpcStructure(Config):
    """Its fields are written as the companion specification spells them, ``ResultId`` for ``result_id``."""

    model_config = ConfigDict(alias_generator=to_pascal, populate_by_name=True)


class Identifier(_OpcStructure):
    """``ResultIdDataType`` and ``PartIdDataType``."""

    id: str


class ProcessingTimes(_OpcStructure):
    """``ProcessingTimesDataType``; durations are in milliseconds."""

    start_time: datetime
    end_time: datetime
    acquisition_duration: float | None
    """From the arrival of the device's first image to that of its last."""
    processing_duration: float
    """What this device took of the time of those that were answered with it."""


class HeatMap(Config):
    """Where one iteration looked, and the map of what it found there."""

    window: tuple[float, float, float, float]
    """Left, top, right, bottom, in 0..1 of the prepared image."""
    rows: int
    """Of the map."""
    values: str
    """Of the map, row by row, a byte each, 255 the strongest; in base64."""


class HeatMaps(Config):
    """Where a stream looked in an image."""

    place: tuple[float, float, float, float, float, float]
    """Two rows of three: pixels (x, y, 1) of the prepared image to pixels of the image."""
    shape: tuple[int, int]
    """(height, width) of the prepared image."""
    iterations: tuple[HeatMap, ...]


class Content(Config):
    """What was found out about the device."""

    label: str | None
    """None where no image could be used."""
    probability: float | None
    probabilities: dict[str, float]
    decision: Decision | None
    """None from a bundle that was not calibrated, unless the device is put aside for another reason."""
    streams: dict[Modality, str]
    """What each stream says alone."""
    images: dict[Modality, str]
    """Files."""
    warnings: tuple[str, ...]
    errors: tuple[str, ...]
    """Why an image could not be used, a sentence each."""
    model: str
    """SHA-256 of the bundle's weights."""
    alone: dict[Modality, dict[str, float]] = Field(default_factory=dict)
    """Probabilities of each stream alone, to four digits; nothing in results of earlier versions."""
    looked: dict[Modality, HeatMaps] = Field(default_factory=dict)
    """Where each stream looked; nothing in results of earlier versions."""
    look: dict[Modality, dict[str, float]] = Field(default_factory=dict)
    """Of each image (:mod:`rgbx.trust.drift.looks`), to four digits; nothing in results of earlier versions."""


class Result(_OpcStructure):
    """The answer for one device."""

    result_id: Identifier
    has_transferable_data_on_file: bool = False
    is_partial: bool = False
    is_simulated: bool = False
    result_state: int
    """1 when completed, 4 when no image could be used."""
    part_id: Identifier
    """The component that a DICONDE radiograph names, else the device's name."""
    creation_time: datetime
    processing_times: ProcessingTimes
    result_content: tuple[Content]

    @property
    def content(self) -> Content:
        """Return what was found out."""
        return self.result_content[0]

    def to_json(self) -> str:
        """Return one line of the log."""
        return self.model_dump_json(by_alias=True)


def answer(predictor: Predictor, devices: Sequence[Arrival], deadline: float | None = None) -> list[Result]:
    """Predict devices together; an image that cannot be used is part of the answer.

    Args:
        predictor: of a bundle that knows the modalities of ``devices``.
        devices: any number.
        deadline: seconds after a device's first image has arrived from which on it has passed the sorting gate.

    Returns:
        One result for each device, in order.
    """
    start = datetime.now(UTC)
    found: dict[Modality, dict[Path, Encoded | InputError]] = {}
    for modality in predictor.modalities:
        paths = [
            device.images[modality]
            for device in devices
            if modality in device.images and modality not in device.refused
        ]
        found[modality] = dict(zip(paths, predictor.encode_each(modality, paths), strict=True))
    answers = []
    for device in devices:
        each = {m: device.refused.get(m) or found[m][path] for m, path in device.images.items()}
        errors = tuple(str(one) for one in each.values() if isinstance(one, InputError))
        good = {modality: one for modality, one in each.items() if isinstance(one, Encoded)}
        answers.append((predictor.combine(good.get("rgb"), good.get("xray")) if good else None, errors))
    end = datetime.now(UTC)
    return [
        _result(predictor, device, prediction, errors, start, end, len(devices), deadline)
        for device, (prediction, errors) in zip(devices, answers, strict=True)
    ]


def answer_all(
    predictor: Predictor, devices: Sequence[Arrival], log: "ResultLog", deadline: float | None = None
) -> Iterator[tuple[Arrival, Result | None]]:
    """Answer devices, some at a time.

    Yields:
        Each device with its result, which is in the log by then; with None where a file of it changed while it was
        read: it was not whole, and has no answer yet.

    Raises:
        RgbxError: the log cannot be written.
    """
    for start in range(0, len(devices), BATCH):
        batch = devices[start : start + BATCH]
        results = [
            None if device.changed() else result
            for device, result in zip(batch, answer(predictor, batch, deadline), strict=True)
        ]
        log.append([result for result in results if result is not None])
        yield from zip(batch, results, strict=True)


def _result(
    predictor: Predictor,
    device: Arrival,
    prediction: Prediction | None,
    errors: tuple[str, ...],
    start: datetime,
    end: datetime,
    together: int,
    deadline: float | None,
) -> Result:
    streams = prediction.streams if prediction else {}
    radiograph = streams.get("xray")
    component = radiograph.acquisition.component if radiograph and radiograph.acquisition else None
    late = deadline is not None and device.arrived is not None and end.timestamp() - device.arrived > deadline
    return Result(
        result_id=Identifier(id=str(uuid4())),
        result_state=COMPLETED if prediction else FAILED,
        part_id=Identifier(id=component or printable(device.name)),
        creation_time=end,
        processing_times=ProcessingTimes(
            start_time=start,
            end_time=end,
            acquisition_duration=(
                None if device.arrived is None or device.acquired is None else 1e3 * (device.acquired - device.arrived)
            ),
            processing_duration=1e3 * (end - start).total_seconds() / together,
        ),
        result_content=(
            Content(
                label=prediction.label if prediction else None,
                probability=prediction.probabilities[prediction.label] if prediction else None,
                probabilities=prediction.probabilities if prediction else {},
                decision=_decision(prediction, bool(errors), late),
                streams={
                    modality: predictor.classes[int(encoded.logits.argmax())] for modality, encoded in streams.items()
                },
                images={modality: printable(path) for modality, path in device.images.items()},
                warnings=prediction.warnings if prediction else (),
                errors=errors,
                model=predictor.weights_sha256,
                alone={modality: _rounded(predictor.alone(modality, encoded)) for modality, encoded in streams.items()},
                looked={
                    modality: _heat_maps(encoded.looked) for modality, encoded in streams.items() if encoded.looked
                },
                look={
                    modality: {name: float(f"{value:.4g}") for name, value in encoded.look.items()}
                    for modality, encoded in streams.items()
                },
            ),
        ),
    )


def _rounded(shares: dict[str, float]) -> dict[str, float]:
    return {label: round(share, 4) for label, share in shares.items()}


def _heat_maps(looked: Looked) -> HeatMaps:
    return HeatMaps(
        place=tuple(np.asarray(looked.place, float).round(4).ravel().tolist()),
        shape=looked.shape,
        iterations=tuple(
            HeatMap(
                window=tuple(np.asarray(window, float).round(4).tolist()),
                rows=len(cam),
                values=base64.b64encode(cam.tobytes()).decode(),
            )
            for window, cam in zip(looked.windows, looked.cams, strict=True)
        ),
    )


def _decision(prediction: Prediction | None, bad_image: bool, late: bool) -> Decision | None:
    """Put a device aside for a bad image or for being late, whatever the bundle would have done with it."""
    decided = prediction.decision if prediction else None
    if not bad_image and not late:
        return decided
    return replace(decided or Decision(None, None), bin=None, reason="bad image" if bad_image else "late")


class ResultLog:
    """A JSONL file of results that only grows: a line for each device, on the disk before the next one is begun.

    Opening it cuts off a line that was half written when the run was killed; its device is not done then. While it is
    open, no other run can open it.

    Args:
        path: of the log; made when it is missing.
        table: whether to keep a CSV file of the same name beside it, which is written anew from the log at first.

    Raises:
        InputError: the file holds something else, or another run writes it.
        RgbxError: the disk is full or the folder cannot be written.
    """

    def __init__(self, path: Path, table: bool = False) -> None:
        self.path = path
        self.table = path.with_suffix(".csv") if table else None
        self.done: dict[Modality, set[Path]] = {"rgb": set(), "xray": set()}
        """Images that have been answered, as the log names them (:func:`rgbx.names.printable`)."""
        with readable_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            self._lock = claim(
                path, path.with_name(f".{path.name}.lock"), "run", "stop that one, or give another --out"
            )
        if self.table is not None:
            write_text(self.table, _rows([], header=True))
        for result in read_results(path):
            self._note(result)
            if self.table is not None:
                _append(self.table, _rows([result]))
        _cut_half_line(path)

    def append(self, results: Sequence[Result]) -> None:
        """Write results and wait until the disk has them.

        Raises:
            RgbxError: the disk is full or the file cannot be written.
        """
        _append(self.path, "".join(f"{result.to_json()}\n" for result in results))
        if self.table is not None:
            _append(self.table, _rows(results))
        for result in results:
            self._note(result)

    def holds(self, device: Arrival) -> bool:
        """Whether any image of a device has been answered."""
        return any(Path(printable(path)) in self.done[modality] for modality, path in device.images.items())

    def _note(self, result: Result) -> None:
        """Take the images of a device for answered, but for those of which a bad one has changed since."""
        images = {modality: Path(path) for modality, path in result.content.images.items()}
        again = bool(result.content.errors) and any(_is_newer(path, result.creation_time) for path in images.values())
        for modality, path in images.items():
            if again:
                self.done[modality].discard(path)
            else:
                self.done[modality].add(path)


def _is_newer(path: Path, time: datetime) -> bool:
    try:
        return path.stat().st_mtime > time.timestamp()
    except OSError:
        return False


def read_results(path: Path) -> Iterator[Result]:
    """Read a log, result by result; a last line that is only half written is left out.

    Raises:
        InputError: the file holds something else.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                if line.endswith(b"\n"):
                    yield Result.model_validate_json(line)
                elif line[: len(_BEGINNING)] != _BEGINNING[: len(line)]:
                    raise ValueError("no beginning of a result")
            except ValueError as error:  # of which ConfigError is one
                raise InputError(path, f"holds no result in line {number}", "give another file as --out") from error


def _append(path: Path, text: str) -> None:
    with readable_os_errors(path), path.open("ab") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def _cut_half_line(path: Path) -> None:
    with path.open("rb+") as file:
        file.truncate(sum(len(line) for line in file if line.endswith(b"\n")))


def _rows(results: Sequence[Result], header: bool = False) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(_row(result) for result in results)
    return text.getvalue()


def _row(result: Result) -> dict[str, object]:
    content, decision = result.content, result.content.decision
    return {
        "CreationTime": result.creation_time.isoformat(),
        "PartId": result.part_id.id,
        "ResultState": result.result_state,
        "label": content.label,
        "probability": content.probability,
        "bin": decision.bin if decision else None,
        "reason": decision.reason if decision else None,
        "candidates": "|".join(decision.candidates) if decision else None,
        "unknown_score": decision.unknown_score if decision else None,
        "rgb": content.images.get("rgb"),
        "xray": content.images.get("xray"),
        "warnings": " ".join(content.warnings),
        "errors": " ".join(content.errors),
    }
