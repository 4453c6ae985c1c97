"""A report as one HTML file that holds everything, needs no network and prints on A4."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup

from rgbx_line.report.audit_rates import AuditedShare
from rgbx_line.report.charts import (
    ASIDE_COLOUR,
    LATE_COLOUR,
    SORTED_COLOUR,
    condition_colour,
    conditions_chart,
    devices_chart,
    lowest_of,
    share_chart,
)
from rgbx_line.report.line_report import LineReport
from rgbx_line.review_mix import NO_KNOWN_CLASS

_SHARES = """\
<div class="scroll"><table>
<thead><tr><th>{{ name }}</th><th class="number">share</th><th>95 %</th>
<th><small>{{ "%.0f" | format(100 * lowest) }} % to 100 %</small></th>
<th class="number">right</th><th class="number">wrong</th><th class="number">open</th></tr></thead>
<tbody>
{% for title, share in rows %}
<tr><td>{{ title }}</td>
{% if share.value is none %}<td class="number">not audited</td><td></td><td></td>
{% else %}<td class="number"><b>{{ share.value | percent }}</b></td>
<td><small>{{ share.low | percent }} to {{ share.high | percent }}</small></td><td>{{ share_chart(share) }}</td>
{% endif %}
<td class="number">{{ share.good }}</td><td class="number">{{ share.bad }}</td>
<td class="number">{{ share.open }}</td></tr>
{% endfor %}
</tbody></table></div>
"""


class MatrixRow(NamedTuple):
    """Devices of one class, by where they went."""

    label: str | None
    counts: list[int]
    """One for each bin, and one for those aside."""


def report_page(report: LineReport) -> str:
    """Return a report as HTML."""
    environment = _environment(report)
    bins, matrix = device_matrix(report)
    return environment.get_template("line_report.html.j2").render(
        report=report,
        bins=bins,
        matrix=matrix,
        totals=[sum(row.counts[place] for row in matrix) for place in range(len(bins) + 1)],
        purity_rows=[("all bins", report.audited.all_bins), *((each.bin, each.share) for each in report.audited.bins)],
        recall_rows=[(_title(each.label), each.share) for each in report.audited.classes],
        shares_table=partial(_shares_table, environment),
        devices_chart=devices_chart(report.spans),
        conditions_chart=conditions_chart(report.stretches, [(span.since, span.title) for span in report.spans]),
        colours={"sorted": SORTED_COLOUR, "aside": ASIDE_COLOUR, "late": LATE_COLOUR},
        seconds=(report.until - report.since).total_seconds(),
    )


def device_matrix(report: LineReport) -> tuple[list[str], list[MatrixRow]]:
    """Return the names of all bins, and how many devices of each class went to each, the last count being aside."""
    bins = [each.bin for each in report.audited.bins]
    rows: dict[str | None, list[int]] = {}
    for each in report.counts:
        counts = rows.setdefault(each.label, [0] * (len(bins) + 1))
        counts[bins.index(each.bin) if each.bin is not None else -1] += each.devices
    return bins, [MatrixRow(label, counts) for label, counts in rows.items()]


def share_text(share: float) -> str:
    """Return a share in percent, never rounded to all or nothing."""
    if 0.9995 <= share < 1:
        return "> 99.9 %"
    if 0 < share < 0.0005:
        return "< 0.1 %"
    return f"{100 * share:.1f} %"


def duration_text(seconds: float) -> str:
    """Return a time in the two units that say most of it."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes:02d} min".replace(",", " ")
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _environment(report: LineReport) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rgbx_line.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., Any]] = {
        "percent": share_text,
        "share_of": lambda part, whole: share_text(part / whole) if whole else "–",
        "thousands": lambda number: f"{number:,}".replace(",", " "),
        "kilograms": lambda kg: f"{kg:,.1f}".replace(",", " "),
        "duration": duration_text,
        "minute": lambda time: f"{time:%Y-%m-%d %H:%M}",
        "day": lambda time: f"{time:%Y-%m-%d}",
        "local": lambda time: time.astimezone(report.made.tzinfo),
        "condition_colour": condition_colour,
    }
    environment.filters.update(filters)
    return environment


def _shares_table(environment: jinja2.Environment, name: str, rows: Sequence[tuple[str, AuditedShare]]) -> Markup:
    lowest = lowest_of([share for _, share in rows])
    table = environment.from_string(_SHARES)
    return Markup(table.render(name=name, rows=rows, lowest=lowest, share_chart=partial(share_chart, lowest=lowest)))


def _title(label: str) -> str:
    return "of no known class, put aside" if label == NO_KNOWN_CLASS else label
