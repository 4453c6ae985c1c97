"""What a PLC and the line say to each other: flat scalars, the same over OPC UA, MQTT and Modbus."""

from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum
from typing import Any

from pydantic import Field

from rgbx.config import Config
from rgbx.modality import Modality

ASIDE = 0
"""``BinCode`` of a device that is put aside."""
RESULT, TRIGGER, LATE_ANSWER, SHADOW_ANSWER = "result", "trigger", "late_answer", "shadow"
"""Kinds of the log's entries about parts: what counts, what was announced, what came too late to count, what the
candidate says."""
STATE = "state"
"""Kind of entries that say whether the line was ready and what kept it from being so: at each change, and every few
minutes, so that it is known how long a line was up that was killed. ``at`` is the time by the machine's clock."""
STATE_NOTED_EVERY_S = 300.0
LEFT_OUT = "left_out"
"""Kind of entries about images that no part takes, since the one that they name has its images or its answer."""
AUDIT = "audit"
"""Kind of entries that say who changed what."""
REVIEW = "review"
"""Kind of entries in which a person says what a part is."""
LARGEST_WORD = 65535
"""Codes and counters fit a Modbus register; a counter begins again at 0."""
PART_SEQ_MODULUS = 2**31
"""``PartSeq`` fits a signed 32-bit integer, which every controller has."""


class ReasonCode(IntEnum):
    """Why a device is put aside. Codes stay what they are in later versions; new ones are added at the end."""

    NONE = 0
    NO_DEVICE = 1
    UNKNOWN = 2
    LOW_CONFIDENCE = 3
    MODALITIES_DISAGREE = 4
    BAD_IMAGE = 5
    LATE = 6
    """No answer was there at the deadline, or no image."""
    NO_BIN = 7
    """The model names a bin that the line's settings have no code for, or none, since it was not calibrated."""
    INTERRUPTED = 8
    """The line was stopped, or crashed, while the part was open."""


REASONS: dict[str, ReasonCode] = {
    "no device": ReasonCode.NO_DEVICE,
    "unknown": ReasonCode.UNKNOWN,
    "low confidence": ReasonCode.LOW_CONFIDENCE,
    "modalities disagree": ReasonCode.MODALITIES_DISAGREE,
    "bad image": ReasonCode.BAD_IMAGE,
    "late": ReasonCode.LATE,
    "no bin": ReasonCode.NO_BIN,
    "interrupted": ReasonCode.INTERRUPTED,
}
"""By the reason in words, as decisions and results have it."""


class FaultCode(IntEnum):
    """What keeps the line from working; 0 is none. While there is one, ``Ready`` is false."""

    NONE = 0
    STARTING = 1
    """A process of the line is not there yet, or not any more."""
    LOG = 2
    """The log cannot be written: the disk is full, or broken."""
    MODEL = 3
    """No model is active, or it failed its self-test."""
    SOURCE = 4
    """A folder that images come from cannot be reached, or a driver is away."""
    HALTED = 5
    """A person, or the controls, stopped the line."""


class LineState(Config):
    """What the line says of itself, at each change and once a second."""

    ready: bool = False
    """A part may come."""
    busy: bool = False
    """A part is open: triggered, or its first image is there, and it has no answer yet."""
    fault: FaultCode = FaultCode.STARTING
    fault_text: str = ""
    """For people, a sentence."""
    announced: int = 0
    """Number of the last entry of the log that is on the disk."""
    model_number: int = Field(default=0, ge=0, le=LARGEST_WORD)
    """Of the active model; 0 is none."""
    open_parts: int = 0
    """Parts without an answer."""


class PartResult(Config):
    """The one answer for a part: the content of the log's entries of the kind ``"result"``."""

    seq: int = Field(ge=0, lt=PART_SEQ_MODULUS)
    """``PartSeq``: counts the parts."""
    part_id: str
    bin: str | None
    """None when it is put aside."""
    bin_code: int = Field(ge=0, le=LARGEST_WORD)
    reason: str | None
    """One of :data:`REASONS`; None when it goes to a bin."""
    reason_code: ReasonCode
    model_number: int
    triggered: datetime | None = None
    """When the controls announced the part; None where its first image did."""
    images: dict[Modality, str] = Field(default_factory=dict)
    """Files that were there in time."""
    first_image: datetime | None = None
    last_image: datetime | None = None
    latency_ms: float | None = None
    """From the last image, found whole, to the answer, before it is on the disk."""
    result: dict[str, Any] | None = None
    """All that was found out, as ``rgbx watch`` writes it (:class:`rgbx.inference.results.Result`); None where there
    was nothing to look at, or not in time."""


def said_in(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a model says (:class:`rgbx.inference.results.Content`); nothing where none says anything.

    Args:
        content: of an entry about a part.
    """
    contents = (content.get("result") or {}).get("ResultContent") or [{}]
    return dict(contents[0])


def images_in(content: Mapping[str, Any]) -> dict[Modality, str]:
    """Return the files that the content of an entry about a part names, as they were called when it was written.

    A result names them itself; of other answers, what the model looked at says so.
    """
    return dict(content.get("images") or said_in(content).get("images") or {})


class PlcTags(Config):
    """The contract's scalars, by their names in every protocol."""

    Ready: bool
    Busy: bool
    Heartbeat: int
    """Counts seconds, 0 to 65535 and again from 0; one that stands still is a line that is gone."""
    PartSeq: int
    PartId: str
    ResultValid: bool
    """Changes with each result, after all that belongs to it is there."""
    BinCode: int
    ReasonCode: int
    ModelNumber: int
    Fault: int


def tags_of(state: LineState, last: PartResult | None, heartbeat: int, valid: bool) -> PlcTags:
    """Return what a PLC reads.

    Args:
        state: of the line.
        last: the last answer; None before the first.
        heartbeat: seconds that have passed, any number.
        valid: what ``ResultValid`` is.
    """
    return PlcTags(
        Ready=state.ready,
        Busy=state.busy,
        Heartbeat=heartbeat % (LARGEST_WORD + 1),
        PartSeq=last.seq if last else 0,
        PartId=last.part_id if last else "",
        ResultValid=valid,
        BinCode=last.bin_code if last else ASIDE,
        ReasonCode=last.reason_code if last else ReasonCode.NONE,
        ModelNumber=state.model_number,
        Fault=state.fault,
    )
