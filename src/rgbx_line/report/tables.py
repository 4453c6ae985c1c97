"""A report as tables: CSV files that a spreadsheet or a program reads."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rgbx_line.report.audit_rates import AuditedShare
from rgbx_line.report.line_report import LineReport
from rgbx_line.report.page import device_matrix

_SHARE_COLUMNS = ("share", "low", "high", "right", "wrong", "open")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings by which spreadsheets take a text for a formula."""


def csv_files(report: LineReport) -> dict[str, str]:
    """Return the tables of a report as the contents of CSV files, by name.

    Shares are 0 to 1, empty where nothing was audited; times are ISO 8601 with their zone. A text that a spreadsheet
    would run as a formula has a ``'`` before it.
    """
    bins, matrix = device_matrix(report)
    tables: Mapping[str, tuple[Sequence[str], Iterable[Sequence[Any]]]] = {
        "devices.csv": (
            ("class", *bins, "aside", "all"),
            [(row.label or "", *row.counts, sum(row.counts)) for row in matrix],
        ),
        "purity.csv": (
            ("bin", *_SHARE_COLUMNS),
            [
                ("all bins", *_share(report.audited.all_bins)),
                *((each.bin, *_share(each.share)) for each in report.audited.bins),
            ],
        ),
        "recall.csv": (
            ("class", *_SHARE_COLUMNS),
            [(each.label, *_share(each.share)) for each in report.audited.classes],
        ),
        "reasons.csv": (("reason", "devices"), [(each.reason, each.devices) for each in report.reasons]),
        "over_time.csv": (
            ("since", "until", "sorted", "aside", "late"),
            [(each.since, each.until, each.sorted, each.aside, each.late) for each in report.spans],
        ),
        "conditions.csv": (
            ("since", "until", "condition"),
            [(each.since, each.until, each.what) for each in report.stretches],
        ),
        "batteries.csv": (
            ("class", "chemistry", "devices", "battery_g", "kg"),
            [(each.label, each.chemistry, each.devices, each.battery_g, each.kg) for each in report.batteries],
        ),
        "models.csv": (
            ("number", "name", "weights_sha256", "added", "who", "devices", "first", "last"),
            [tuple(each.model_dump().values()) for each in report.models],
        ),
        "audit.csv": (
            ("number", "time", "what", "who", "more"),
            [
                (each.number, each.time, each.what, each.who, "; ".join(f"{k}: {v}" for k, v in each.more.items()))
                for each in report.deeds
            ],
        ),
    }
    return {name: _csv(columns, rows) for name, (columns, rows) in tables.items()}


def _share(share: AuditedShare) -> tuple[Any, ...]:
    bounds = (None,) * 3 if share.value is None else (share.value, share.low, share.high)
    return (*bounds, share.good, share.bad, share.open)


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_plain(value) for value in row] for row in rows)
    return text.getvalue()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
