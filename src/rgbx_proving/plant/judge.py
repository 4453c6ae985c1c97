"""What a line was told to do and what it did, compared: the log, the clients and the truth."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from rgbx.config import Config
from rgbx.inference.arrivals import Pairing
from rgbx.modality import Modality
from rgbx_line.contract import PartResult
from rgbx_proving.plant.clients import Told
from rgbx_proving.plant.conveyor import FedPart

ANSWERS_WITHIN_S = 0.25
"""After the deadline: until images are seen, and until the answer is on the disk."""
SAME_WITHIN = 0.02
"""By which probabilities of the same images may differ: some are computed together with others."""


@dataclass(frozen=True)
class LoggedAnswer:
    """A result of the log."""

    number: int
    """Of its line."""
    at: float
    """When anybody was told of it, in seconds of the steady clock."""
    result: PartResult
    digests: Mapping[Modality, str] = field(default_factory=dict)
    """SHA-256 of its images, wherever they lie now; those that are gone are missing."""


class ClientVerdict(Config):
    """What one client was told."""

    answers: int
    """Different ones."""
    missed: int
    """Answers that it was not told; 0 of one that is promised the last alone."""
    repeated: int
    """Answers that came again, which their numbers say."""
    out_of_order: int
    wrong: int
    """Answers that the log does not have, or has otherwise."""
    wire_ms: tuple[float, ...] = ()
    """From the log to the client, in milliseconds, by answer."""


class Verdict(Config):
    """What was found. Latencies are from the second image in the line's reach to the answer on the disk, in ms."""

    parts: int
    latencies_ms: tuple[float, ...]
    """Of parts with both images."""
    ready_latencies_ms: tuple[float, ...]
    """Of those during which the line was always ready."""
    engine_latencies_ms: tuple[float, ...]
    """As the log says: from the second image, found, to the answer."""
    at_deadline: int
    """Parts that had an answer by then."""
    late_while_ready: tuple[str, ...]
    """Parts that had not, though the line was ready all the time."""
    lost: tuple[str, ...]
    """Parts without any."""
    doubled: tuple[str, ...]
    """Parts with several."""
    unknown: tuple[str, ...]
    """Answers for parts that were never given."""
    wrong_part: tuple[str, ...]
    """Sentences: answers by images of another part."""
    reasons: dict[str, int]
    """How many parts went aside for it; under ``""`` those that went to a bin."""
    garbage_sorted: int
    """Parts with an image that is none, which still went to a bin."""
    clients: dict[str, ClientVerdict]


def judge(
    parts: Mapping[str, FedPart],
    answers: Sequence[LoggedAnswer],
    told: Mapping[str, tuple[bool, Sequence[Told]]],
    ready_since: Sequence[tuple[float, bool]],
    deadline_s: float,
    pairing: Pairing | None,
) -> Verdict:
    """Compare what a line did with what it should have done.

    Args:
        parts: that were given to it.
        answers: of its log, in order.
        told: what each client was told, and whether it is promised every answer.
        ready_since: when the line became ready, and when it was no more.
        deadline_s: from the first image on.
        pairing: how files are named; None where names say nothing.
    """
    by_part: dict[str, list[LoggedAnswer]] = defaultdict(list)
    for answer in answers:
        by_part[answer.result.part_id].append(answer)
    known = {name: by_part[name][0] for name in parts if name in by_part}
    paired = [name for name in known if len(parts[name].digests) == 2]
    latency = {name: 1e3 * (known[name].at - parts[name].last) for name in paired}
    allowed = deadline_s + ANSWERS_WITHIN_S
    late = [name for name in parts if name not in known or known[name].at - parts[name].first > allowed]
    spans = {name: (parts[name].first, known[name].at) for name in known}
    return Verdict(
        parts=len(parts),
        latencies_ms=tuple(latency.values()),
        ready_latencies_ms=tuple(ms for name, ms in latency.items() if always_ready(ready_since, *spans[name])),
        engine_latencies_ms=tuple(
            known[name].result.latency_ms for name in paired if known[name].result.latency_ms is not None
        ),
        at_deadline=len(parts) - len(late),
        late_while_ready=tuple(
            name for name in late if always_ready(ready_since, parts[name].first, parts[name].first + allowed)
        ),
        lost=tuple(name for name in parts if name not in by_part),
        doubled=tuple(name for name, each in by_part.items() if len(each) > 1),
        unknown=tuple(name for name in by_part if name not in parts),
        wrong_part=(
            *_of_other_images(parts, answers, pairing),
            *_answered_otherwise(parts, answers),
            *_numbered_alike(answers),
        ),
        reasons=dict(Counter(answer.result.reason or "" for answer in known.values())),
        garbage_sorted=sum(
            parts[name].kind == "garbage" and answer.result.bin_code > 0 for name, answer in known.items()
        ),
        clients={name: _judge_client(answers, *each) for name, each in told.items()},
    )


def always_ready(ready_since: Sequence[tuple[float, bool]], start: float, end: float) -> bool:
    """Say whether a line was ready from ``start`` to ``end``."""
    before = [ready for at, ready in ready_since if at <= start]
    return bool(before and before[-1]) and all(ready for at, ready in ready_since if start < at <= end)


def _of_other_images(
    parts: Mapping[str, FedPart], answers: Sequence[LoggedAnswer], pairing: Pairing | None
) -> Iterator[str]:
    """Yield what is wrong with the images of answers, by their names and by what they hold."""
    owner = {digest: part.part_id for part in parts.values() for digest in part.digests.values()}
    for answer in answers:
        name = answer.result.part_id
        for modality, file in answer.result.images.items():
            shown = _device(file, modality, pairing) if pairing else name
            if shown != name:
                yield f"The answer for {name} (line {answer.number}) is by the {modality} image of {shown}."
            digest = answer.digests.get(modality)
            if digest is not None and name in parts and digest != parts[name].digests.get(modality):
                whose = owner.get(digest, "nobody")
                yield f"The {modality} image kept for {name} (line {answer.number}) is one of {whose}."


def _answered_otherwise(parts: Mapping[str, FedPart], answers: Sequence[LoggedAnswer]) -> Iterator[str]:
    """Yield answers that differ from the same model's for the same images: they may be another part's."""
    first: dict[tuple[int, int], tuple[str, str, float]] = {}
    for answer in answers:
        name = answer.result.part_id
        content = answer.result.result["ResultContent"][0] if answer.result.result else None
        if content is None or name not in parts or parts[name].kind != "pair" or len(answer.result.images) < 2:
            continue
        said = name, str(content["label"]), float(content["probability"] or 0.0)
        other = first.setdefault((parts[name].stock, answer.result.model_number), said)
        if said[1] != other[1] or abs(said[2] - other[2]) > SAME_WITHIN:
            yield (
                f"The answer for {name} (line {answer.number}) is {said[1]} with {said[2]:.3f}, that for {other[0]}, "
                f"which shows the same, {other[1]} with {other[2]:.3f}."
            )


def _numbered_alike(answers: Sequence[LoggedAnswer]) -> Iterator[str]:
    """Yield answers for several parts under one ``PartSeq``, by which controllers tell them apart."""
    first: dict[int, str] = {}
    for answer in answers:
        seq, name = answer.result.seq, answer.result.part_id
        if first.setdefault(seq, name) != name:
            yield f"PartSeq {seq} (line {answer.number}) is of {name}, and of {first[seq]}."


def ready_again_s(ready_since: Sequence[tuple[float, bool]], downs: Sequence[float]) -> list[float]:
    """Return the seconds from each time at which a line went down to when it was ready again.

    One that went down once more before it was ready counts from then on.

    Args:
        ready_since: when it became ready, and when it was no more.
        downs: in order.
    """
    found = []
    for down, following in pairwise([*downs, float("inf")]):
        ready = next((at for at, ready in ready_since if ready and at > down), None)
        if ready is not None and ready < following:
            found.append(ready - down)
    return found


def _judge_client(answers: Sequence[LoggedAnswer], every: bool, told: Sequence[Told]) -> ClientVerdict:
    by_seq = {answer.result.seq: answer for answer in answers}
    first: dict[int, Told] = {}
    wrong = 0
    for each in told:
        answer = by_seq.get(each.seq)
        if answer is None or not _same(each, answer.result):
            wrong += 1
        else:
            first.setdefault(each.seq, each)
    numbers = [by_seq[seq].number for seq in first]
    return ClientVerdict(
        answers=len(first),
        missed=len(by_seq) - len(first) if every else 0,
        repeated=len(told) - wrong - len(first),
        out_of_order=sum(later < earlier for earlier, later in pairwise(numbers)),
        wrong=wrong,
        wire_ms=tuple(1e3 * max(0.0, each.at - by_seq[seq].at) for seq, each in first.items()),
    )


def _same(told: Told, result: PartResult) -> bool:
    return (told.bin_code, told.reason_code) == (result.bin_code, result.reason_code) and told.part_id == result.part_id


def _device(file: str, modality: Modality, pairing: Pairing) -> str:
    return pairing.device(Path(file), modality)
