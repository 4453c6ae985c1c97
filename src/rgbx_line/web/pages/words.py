"""What the pages say in words that an operator can act on, and how they write numbers and times."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from rgbx_line.contract import FaultCode, LineState, ReasonCode


class Banner(NamedTuple):
    """What stands over each page: whether parts may come, and what to do if not."""

    tone: Literal["good", "wait", "bad"]
    headline: str
    what: str
    """A sentence."""
    remedy: str
    """What to do; nothing while the line is ready."""


_REMEDIES = {
    FaultCode.STARTING: "Wait a minute. If this stays, call whoever looks after the computer.",
    FaultCode.LOG: "Keep parts off the belt. Have room made on the disk, or the disk looked at.",
    FaultCode.MODEL: "Keep parts off the belt. An engineer chooses a model on the page Models.",
    FaultCode.SOURCE: "Look whether the camera's and the detector's computers run, and whether the network is there.",
    FaultCode.HALTED: "Press Resume when parts may come again.",
}
_HEADLINES = {
    FaultCode.STARTING: "Not ready: starting",
    FaultCode.LOG: "Not ready: answers cannot be kept",
    FaultCode.MODEL: "Not ready: no model",
    FaultCode.SOURCE: "Not ready: no images",
    FaultCode.HALTED: "Halted",
}
_WHAT = {
    FaultCode.STARTING: "A process of the line is not there yet.",
    FaultCode.LOG: "The log cannot be written.",
    FaultCode.MODEL: "No model is active.",
    FaultCode.SOURCE: "A folder that images come from cannot be reached.",
    FaultCode.HALTED: "Somebody halted the line.",
}
_REASONS = {
    ReasonCode.NO_DEVICE: "No device was found in an image.",
    ReasonCode.UNKNOWN: "It is like nothing that the model knows.",
    ReasonCode.LOW_CONFIDENCE: "The model cannot tell which of several classes it is.",
    ReasonCode.MODALITIES_DISAGREE: "Photograph and radiograph say different things.",
    ReasonCode.BAD_IMAGE: "An image cannot be used.",
    ReasonCode.LATE: "There was no answer in time.",
    ReasonCode.NO_BIN: "There is no bin for it: the model is not calibrated, or line.yaml lacks a code.",
    ReasonCode.INTERRUPTED: "The line was stopped before there was an answer.",
}


def banner_of(state: LineState) -> Banner:
    """Return what a state is in words."""
    if state.ready:
        return Banner("good", "Ready", f"Parts may come. Model {state.model_number} answers.", "")
    if state.fault is FaultCode.NONE:
        return Banner("wait", "Not ready: stopping", "The line finishes what is begun, and stops.", "")
    tone: Literal["wait", "bad"] = "wait" if state.fault in (FaultCode.STARTING, FaultCode.HALTED) else "bad"
    what = sentence(state.fault_text) or _WHAT[state.fault]
    return Banner(tone, _HEADLINES[state.fault], what, _REMEDIES[state.fault])


def reason_in_words(code: int) -> str:
    """Return why a part was put aside, as a sentence; nothing when it was not."""
    return next((words for known, words in _REASONS.items() if known == code), "")


def sentence(text: str) -> str:
    """Return a text with a capital letter and a full stop."""
    text = text.strip()
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")


def fingerprint(text: str) -> str:
    """Return what tells whether a text is another one."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _clock(time: datetime) -> str:
    return time.astimezone().strftime("%H:%M:%S")


def _day_and_clock(time: datetime) -> str:
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _iso(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds")


def _percent(share: float) -> str:
    """Return a share in percent, never rounded to all or nothing."""
    if 0.999 <= share < 1:
        return "> 99.9 %"
    if 0 < share <= 0.001:
        return "< 0.1 %"
    return f"{100 * share:.1f} %"


def _milliseconds(time: float | None) -> str:
    if time is None:
        return "–"
    return f"{time:.0f} ms" if time < 10_000 else f"{time / 1000:.1f} s"


def _count(number: int) -> str:
    """Return a number with its thousands apart."""
    return f"{number:,}".replace(",", " ")


def in_words(value: object) -> str:
    """Return what an entry of the log says under a name: a list with commas, and so what has names of its own."""
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case Mapping():
            return ", ".join(f"{str(name).replace('_', ' ')} {in_words(each)}" for name, each in value.items())
        case list():
            return ", ".join(map(in_words, value))
    return str(value)


FILTERS: Mapping[str, Callable[..., Any]] = {
    "clock": _clock,
    "day_and_clock": _day_and_clock,
    "iso": _iso,
    "percent": _percent,
    "milliseconds": _milliseconds,
    "count": _count,
    "sentence": sentence,
    "reason_in_words": reason_in_words,
    "in_words": in_words,
    "fingerprint": fingerprint,
}
"""By the name that templates know them by."""
