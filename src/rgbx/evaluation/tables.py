"""An evaluation in words: for the terminal and in Markdown."""

from rich import box
from rich.markup import escape
from rich.table import Table

from rgbx.evaluation.intervals import Estimate
from rgbx.evaluation.results import Evaluation, Pairings, TrustScores
from rgbx.modality import TITLES, Channel


def confusion_title(evaluation: Evaluation, channel: Channel) -> str:
    """Return the heading of a confusion matrix, e.g. ``"RGB-X, 5 pairings together"``."""
    if channel == "rgbx" and evaluation.pairings and evaluation.pairings.count > 1:
        return f"{TITLES[channel]}, {evaluation.pairings.count} pairings together"
    return TITLES[channel]


def evaluation_markdown(evaluation: Evaluation) -> str:
    """Return the results as a Markdown page: headline table, paired tests, pairings, per-class table."""
    lines = [
        "# Results",
        "",
        f"Test images: {evaluation.origin}.",
        "",
        "| modality | accuracy [95 % Wilson] | [95 % by unit] | macro precision | macro recall | images | units |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for channel, scores in evaluation.scores.items():
        by_unit = scores.accuracy_by_unit
        lines.append(
            f"| {TITLES[channel]} | {scores.accuracy:.3f} [{scores.low:.3f}, {scores.high:.3f}] "
            f"| [{by_unit.low:.3f}, {by_unit.high:.3f}] | {show(scores.precision)} | {show(scores.recall)} "
            f"| {scores.n} | {scores.units} |"
        )
    lines += [
        "",
        "Precision and recall: mean over classes, 95 % intervals by bootstrap over units. "
        "'By unit': the accuracy's bootstrap interval over units, for views of one unit are alike.",
    ]
    if evaluation.pairings:
        pairings = evaluation.pairings
        lines += ["", "## RGB-X", "", *(f"- {sentence}" for sentence in pairing_sentences(pairings)), ""]
        lines += ["| RGB-X against | difference [95 % by unit] | only RGB-X right | only it right | p (McNemar) |"]
        lines += ["| --- | --- | --- | --- | --- |"]
        for channel, test in evaluation.tests.items():
            lines.append(
                f"| {TITLES[channel]} | {show(test.difference, signed=True)} | {test.gained:g} | {test.lost:g} "
                f"| {show_p(test.p)} |"
            )
    lines += ["", "## How far to trust it", "", *_trust_lines(evaluation)]
    lines += ["", "## By class", ""]
    head = [
        f"{TITLES[channel]} {name}" for channel in evaluation.scores for name in ("precision", "recall [95 %]", "n")
    ]
    lines += ["| class | " + " | ".join(head) + " |", "| --- " * (len(head) + 1) + "|"]
    for number, name in enumerate(evaluation.classes):
        cells = []
        for scores in evaluation.scores.values():
            own = scores.per_class[number]
            sure = own.recall_interval
            recall = f"{own.recall:.3f} [{sure.low:.3f}, {sure.high:.3f}]" if sure else "none tested"
            cells += [f"{own.precision:.3f}", recall, f"{own.n:g}"]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _trust_lines(evaluation: Evaluation) -> list[str]:
    lines = [
        "| modality | calibration error [95 %] | sorted [95 %] | false sorts | at most [95 %] | put aside "
        "| true class among candidates [95 %] | candidates |",
        "| --- |" + " --- |" * 7,
    ]
    for channel, scores in evaluation.scores.items():
        cells = [show(scores.calibration_error)]
        if scores.trust is None:
            cells += ["not calibrated"] + [""] * 5
        else:
            trust = scores.trust
            reasons = ", ".join(f"{name} {share:.1%}" for name, share in trust.reasons.items())
            cells += [show(trust.sorted), f"{trust.false_sorts:g}", f"{trust.false_sort_bound:.2%}", reasons or "none"]
            cells += [show(trust.covered), f"{trust.candidates:.2f}"]
        lines.append(f"| {TITLES[channel]} | " + " | ".join(cells) + " |")
    return lines


def pairing_sentences(pairings: Pairings) -> list[str]:
    """Say how RGB-X was paired and how far the luck of it mattered."""
    sentences = [
        f"Over {pairings.count} random pairing{'s' * (pairings.count > 1)} of each photograph with a radiograph of its "
        f"class: accuracy {pairings.mean:.3f} on average, {pairings.min:.3f} to {pairings.max:.3f}."
    ]
    if pairings.same_unit:
        same = pairings.same_unit
        sentences.append(
            f"With a radiograph of the very same unit, as on a line: {same.accuracy:.3f} "
            f"[{same.low:.3f}, {same.high:.3f}]."
        )
    return sentences


def trust_sentence(trust: TrustScores) -> str:
    """Say what became of devices by the bundle's decisions."""
    reasons = "".join(f", {share:.1%} {name}" for name, share in trust.reasons.items())
    return (
        f"{trust.sorted.value:.1%} sorted, of which {trust.false_sorts:g} wrongly "
        f"(at most {trust.false_sort_bound:.2%}){reasons}."
    )


def show(estimate: Estimate, signed: bool = False) -> str:
    """Return ``"0.950 [0.910, 0.980]"``."""
    sign = "+" if signed else ""
    return f"{estimate.value:{sign}.3f} [{estimate.low:{sign}.3f}, {estimate.high:{sign}.3f}]"


def show_p(p: float) -> str:
    """Return a p-value with two digits that mean something."""
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def show_cores(count: int) -> str:
    """Return ``"2 cores"``."""
    return f"{count} core{'s' * (count > 1)}"


def result_table(evaluation: Evaluation) -> Table:
    """Return the headline figures for a terminal, with the words that must not be left out below them."""
    table = Table("modality", "accuracy [95 %]", "precision", "recall", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("n", justify="right")
    table.add_column("units", justify="right")
    for channel, scores in evaluation.scores.items():
        by_unit = scores.accuracy_by_unit
        table.add_row(
            TITLES[channel],
            f"[bold]{scores.accuracy:.3f}[/] \\[{scores.low:.3f}, {scores.high:.3f}]\n"
            f"[dim]by unit \\[{by_unit.low:.3f}, {by_unit.high:.3f}][/]",
            *(
                f"{estimate.value:.3f}\n[dim]\\[{estimate.low:.3f}, {estimate.high:.3f}][/]"
                for estimate in (scores.precision, scores.recall)
            ),
            str(scores.n),
            str(scores.units),
        )
    notes = [f"Test images: {evaluation.origin}."]
    if evaluation.pairings:
        notes += pairing_sentences(evaluation.pairings)
    for channel, scores in evaluation.scores.items():
        if scores.trust is not None:
            notes.append(f"{TITLES[channel]}: {trust_sentence(scores.trust)}")
    for channel, test in evaluation.tests.items():
        notes.append(
            f"RGB-X against {TITLES[channel]}: {show(test.difference, signed=True)}, McNemar p {show_p(test.p)}."
        )
    table.caption = escape("\n".join(notes))
    table.caption_justify = "left"
    return table
