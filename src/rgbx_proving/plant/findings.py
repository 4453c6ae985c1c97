"""What a simulation found: as figures, as a page and as a picture."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from rgbx.config import Config
from rgbx.evaluation.figures import ACCENT, FAINT, INK, SERIES
from rgbx_proving.plant.faults import MadeFault
from rgbx_proving.plant.judge import ClientVerdict, Verdict, ready_again_s
from rgbx_proving.plant.use import Use, growth


@dataclass(frozen=True)
class SimulationRecord:
    """What was seen while a line ran, beside answers. Times are seconds of the steady clock."""

    ready_since: Sequence[tuple[float, bool]]
    """When the line became ready, and when it was no more."""
    made: Sequence[MadeFault]
    left_out: dict[str, str]
    """Kinds of faults that cannot be made here, and why."""
    seconds: float
    """From the first part to the last answer."""
    stopped_within_s: float
    used: Mapping[str, Sequence[Use]]
    """Memory and descriptors of each process, as time went on."""


class SimulationResult(Config):
    """What a simulation found."""

    parts: int
    seconds: float
    p50_ms: float | None
    """From a part's second image in the line's reach to the answer on the disk, as somebody outside sees it."""
    p99_ms: float | None
    p999_ms: float | None
    p99_ready_ms: float | None
    """Of the parts during which the line was ready all the time."""
    p99_engine_ms: float | None
    """As the line itself says, from the second image found whole."""
    answered_at_deadline: float
    """Share of all parts, also of those that came while the line was down."""
    late_while_ready: int
    """Parts without an answer at their deadline although the line was ready all the time."""
    lost: int
    doubled: int
    wrong_part: int
    """Answers by other images than the part's own, as the log, the kept files or a client say."""
    out_of_order: int
    """Over all clients."""
    missed: int
    """Answers that a client was not told, of those that are promised each one."""
    garbage_sorted: int
    """Parts with an image that is none, which still went to a bin."""
    ready_after_kill_s: float | None
    """The longest; None where nothing was killed that the line cannot do without."""
    ready_after_hang_s: float | None
    stopped_within_s: float
    """From SIGTERM to the end of the supervisor."""
    reasons: dict[str, int]
    """How many parts went aside for it; under ``""`` those that went to a bin."""
    clients: dict[str, dict[str, float | int | None]]
    """What each was told."""
    faults: dict[str, int]
    """How many were made, by kind."""
    left_out: dict[str, str]
    """Kinds that cannot be made here, and why."""
    restarts: dict[str, int]
    """Of each process, since the supervisor last started."""
    memory_mb: dict[str, tuple[float, float]]
    """Of each process that ran all the time: early, and in the end."""
    descriptors: dict[str, tuple[float, float]]
    findings: tuple[str, ...]
    """What is wrong, a sentence each."""


def result_of(
    verdict: Verdict,
    record: SimulationRecord,
    faults: Sequence[str],
    restarts: dict[str, int],
) -> SimulationResult:
    """Return what a simulation found.

    Args:
        verdict: of the judge.
        record: what was seen meanwhile.
        faults: of the log, a sentence each.
        restarts: of each process.
    """
    ready = record.ready_since
    vital = [fault for fault in record.made if fault.what in ("inference", "supervisor")]
    kills, hangs = ([each.at for each in vital if each.kind.startswith(verb)] for verb in ("kill", "hang"))
    clients = verdict.clients
    grown = {name: found for name, used in record.used.items() if (found := growth(used)) is not None}
    wrong_told = sum(each.wrong for each in clients.values())
    findings = [
        *(f"{name} was never answered." for name in verdict.lost),
        *(f"{name} was answered more than once." for name in verdict.doubled),
        *(f"{name} was answered, which was never given." for name in verdict.unknown),
        *(f"{name} was late while the line was ready." for name in verdict.late_while_ready),
        *verdict.wrong_part,
        *(text for name, each in clients.items() for text in _told_wrong(name, each)),
        *faults,
    ]
    return SimulationResult(
        parts=verdict.parts,
        seconds=round(record.seconds, 1),
        p50_ms=_percentile(verdict.latencies_ms, 50),
        p99_ms=_percentile(verdict.latencies_ms, 99),
        p999_ms=_percentile(verdict.latencies_ms, 99.9),
        p99_ready_ms=_percentile(verdict.ready_latencies_ms, 99),
        p99_engine_ms=_percentile(verdict.engine_latencies_ms, 99),
        answered_at_deadline=verdict.at_deadline / verdict.parts,
        late_while_ready=len(verdict.late_while_ready),
        lost=len(verdict.lost),
        doubled=len(verdict.doubled),
        wrong_part=len(verdict.wrong_part) + len(verdict.unknown) + wrong_told,
        out_of_order=sum(each.out_of_order for each in clients.values()),
        missed=sum(each.missed for each in clients.values()),
        garbage_sorted=verdict.garbage_sorted,
        ready_after_kill_s=_longest(ready_again_s(ready, kills)),
        ready_after_hang_s=_longest(ready_again_s(ready, hangs)),
        stopped_within_s=round(record.stopped_within_s, 2),
        reasons=verdict.reasons,
        clients={
            name: {
                "answers": each.answers,
                "missed": each.missed,
                "repeated": each.repeated,
                "out_of_order": each.out_of_order,
                "wrong": each.wrong,
                "p99_wire_ms": _percentile(each.wire_ms, 99),
            }
            for name, each in clients.items()
        },
        faults=dict[str, int](Counter(fault.kind for fault in record.made)),
        left_out=record.left_out,
        restarts=restarts,
        memory_mb={name: each.memory_mb for name, each in grown.items()},
        descriptors={name: each.descriptors for name, each in grown.items()},
        findings=tuple(findings),
    )


def simulation_page(result: SimulationResult) -> str:
    """Return a result in Markdown."""
    rows = {
        "parts": f"{result.parts} in {result.seconds:.0f} s",
        "second image to answer, median": _ms(result.p50_ms),
        "second image to answer, 99 %": _ms(result.p99_ms),
        "second image to answer, 99.9 %": _ms(result.p999_ms),
        "the same while the line was ready, 99 %": _ms(result.p99_ready_ms),
        "answered by the deadline": f"{result.answered_at_deadline:.2%}",
        "late while the line was ready": str(result.late_while_ready),
        "lost": str(result.lost),
        "answered twice": str(result.doubled),
        "answered for a wrong part": str(result.wrong_part),
        "ready after a kill": _s(result.ready_after_kill_s),
        "ready after a hang": _s(result.ready_after_hang_s),
        "stopped within": _s(result.stopped_within_s),
    }
    page = ["# Plant twin", "", "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items()), ""]
    if result.clients:
        page += [
            "| client | told | missed | again | out of order | wrong | log to client, 99 % |",
            "|---|" + "---:|" * 6,
        ]
        for name, each in result.clients.items():
            counts = " | ".join(str(each[key]) for key in ("answers", "missed", "repeated", "out_of_order", "wrong"))
            page.append(f"| {name} | {counts} | {_ms(each['p99_wire_ms'])} |")
        page.append("")
    for title, table in (("went to", result.reasons), ("fault", result.faults), ("restarted", result.restarts)):
        if table:
            page += [f"| {title} | times |", "|---|---:|"]
            page += [f"| {name or 'a bin'} | {count} |" for name, count in sorted(table.items())] + [""]
    if result.memory_mb:
        page += ["| process | MB early | MB in the end | descriptors early | in the end |", "|---|" + "---:|" * 4]
        for name, memory in result.memory_mb.items():
            cells = " | ".join(f"{value:g}" for value in (*memory, *result.descriptors[name]))
            page.append(f"| {name} | {cells} |")
        page.append("")
    page += [f"- Not made: {kind}, since {why}." for kind, why in result.left_out.items()]
    page += [f"- {finding}" for finding in result.findings]
    return "\n".join(page).rstrip() + "\n"


def latency_figure(verdict: Verdict, deadline_s: float) -> Figure:
    """Draw how long answers took, and the deadline."""
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    axes = figure.subplots()
    seconds = np.clip(np.array(verdict.latencies_ms) / 1e3, 1e-3, None)
    longest = max(deadline_s, float(seconds.max(initial=0.0))) * 1.5
    axes.hist(seconds, bins=np.geomspace(1e-2, longest, 60).tolist(), color=ACCENT)
    axes.axvline(deadline_s, color=SERIES[0])
    axes.annotate(" deadline", (deadline_s, 0.95), xycoords=("data", "axes fraction"), color=SERIES[0], fontsize=9)
    axes.set_xscale("log")
    axes.set_xlabel("seconds from the second image to the answer", color=INK)
    axes.set_ylabel("parts", color=INK)
    axes.tick_params(colors=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=FAINT, linewidth=0.4)
    return figure


def _told_wrong(name: str, client: ClientVerdict) -> Iterator[str]:
    for count, what in (
        (client.wrong, "answers that the log does not have"),
        (client.out_of_order, "answers out of order"),
    ):
        if count:
            yield f"{name} was told {count} {what}."
    if client.missed:
        yield f"{name} was not told {client.missed} answers."


def _percentile(values: Sequence[float], percent: float) -> float | None:
    return round(float(np.percentile(values, percent)), 1) if values else None


def _longest(values: Sequence[float]) -> float | None:
    return round(max(values), 2) if values else None


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} ms"


def _s(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} s"
