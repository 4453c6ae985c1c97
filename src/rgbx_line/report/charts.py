"""The drawings of a report, as SVG that stands in the page itself."""

from collections.abc import Sequence
from datetime import datetime

from markupsafe import Markup, escape

from rgbx_line.report.audit_rates import AuditedShare
from rgbx_line.report.availability import DOWN, HALTED_BY_PERSON, NOT_RECORDED, READY, STOPPED, STOPPING
from rgbx_line.report.line_report import ConditionStretch, SpanCount

SORTED_COLOUR, ASIDE_COLOUR, LATE_COLOUR = "#0f609b", "#f0b429", "#c62828"
_INK, _SOFT, _FAINT = "#1f2933", "#52606d", "#e4e7eb"
FAULT = LATE_COLOUR
CONDITIONS = {
    READY: "#2e7d32",
    HALTED_BY_PERSON: "#9aa5b1",
    STOPPED: "#cbd2d9",
    STOPPING: "#cbd2d9",
    NOT_RECORDED: "#ffffff",
    DOWN: "#7b1010",
}
"""Colours; all other conditions are faults and have one."""
WIDTH, HEIGHT = 720, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 8, 10, 26
_MOST_TITLES = 16


def condition_colour(what: str) -> str:
    """Return the colour of a condition of the line."""
    return CONDITIONS.get(what, FAULT)


def devices_chart(spans: Sequence[SpanCount]) -> Markup:
    """Draw the devices of each stretch of a period as a bar: those in bins, aside, and aside for being late."""
    most = _rounded_up(max((each.sorted + each.aside for each in spans), default=0))
    across, down = (WIDTH - _LEFT - _RIGHT) / max(len(spans), 1), (HEIGHT - _TOP - _BOTTOM) / most
    drawn = [_rule(HEIGHT - _BOTTOM - part * most * down, _thousands(part * most)) for part in (0, 0.5, 1)]
    every = -(-len(spans) // _MOST_TITLES)
    for place, span in enumerate(spans):
        left, base = _LEFT + place * across, float(HEIGHT - _BOTTOM)
        said = f"{span.title}: {span.sorted} to bins, {span.aside} aside, of these {span.late} late"
        bars = []
        for count, colour in (
            (span.sorted, SORTED_COLOUR),
            (span.aside - span.late, ASIDE_COLOUR),
            (span.late, LATE_COLOUR),
        ):
            base -= count * down
            if count:
                bars.append(_box(left + 0.12 * across, base, 0.76 * across, count * down, colour))
        drawn.append(Markup("<g><title>{}</title>{}</g>").format(said, Markup("").join(bars)))
        if place % every == 0:
            drawn.append(_text(left + across / 2, HEIGHT - 8, span.title, "middle"))
    return _svg(WIDTH, HEIGHT, "devices over time", drawn)


def conditions_chart(stretches: Sequence[ConditionStretch], titles: Sequence[tuple[datetime, str]]) -> Markup:
    """Draw what the line was, from left to right.

    Args:
        stretches: in order, without a gap.
        titles: what to write below, at which times.
    """
    if not stretches:
        return Markup("")
    begin, end = stretches[0].since, stretches[-1].until
    scale = (WIDTH - _LEFT - _RIGHT) / (end - begin).total_seconds()

    def place(time: datetime) -> float:
        return _LEFT + (time - begin).total_seconds() * scale

    drawn = [Markup('<rect x="{}" y="6" width="{}" height="26" fill="#fff" stroke="{}"/>').format(
        _LEFT, WIDTH - _LEFT - _RIGHT, _FAINT)]  # fmt: skip
    # What is short and bad is drawn last and never too thin to be seen.
    order = sorted(stretches, key=lambda each: each.what not in CONDITIONS or each.what == DOWN)
    for each in order:
        width = max(place(each.until) - place(each.since), 0.0 if each.what in CONDITIONS else 1.2)
        said = f"{each.what}: {_clock(each.since)} to {_clock(each.until)}"
        box = _box(place(each.since), 6, width, 26, condition_colour(each.what))
        drawn.append(Markup("<g><title>{}</title>{}</g>").format(said, box))
    every = -(-len(titles) // _MOST_TITLES)
    drawn += [_text(place(time), 46, title, "start") for time, title in titles[::every]]
    return _svg(WIDTH, 52, "conditions of the line over time", drawn)


def share_chart(share: AuditedShare, lowest: float) -> Markup:
    """Draw a share with its interval on a line from ``lowest`` to 1."""
    if share.value is None:
        return Markup("")

    def place(value: float) -> float:
        return 4 + 152 * (max(value, lowest) - lowest) / (1 - lowest)

    low, high = place(share.low), place(share.high)
    drawn = [
        Markup('<path d="M4 10H156" stroke="{}"/>').format(_FAINT),
        _box(low, 7, max(high - low, 1), 6, "#9fc3de"),
        Markup('<circle cx="{:.1f}" cy="10" r="4" fill="{}"/>').format(place(share.value), SORTED_COLOUR),
    ]
    return _svg(160, 20, f"{share.value:.1%}, from {share.low:.1%} to {share.high:.1%}", drawn)


def lowest_of(shares: Sequence[AuditedShare]) -> float:
    """Return where the line of :func:`share_chart` is to begin: a round tenth below all intervals, 0.9 at most."""
    lows = [share.low for share in shares if share.value is not None]
    return min(0.9, int(10 * min(lows, default=0.9)) / 10)


def _svg(width: float, height: float, label: str, drawn: Sequence[Markup]) -> Markup:
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        f"{width:g}", f"{height:g}", label, Markup("").join(drawn)
    )


def _box(left: float, top: float, width: float, height: float, colour: str) -> Markup:
    return Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="{}"/>').format(
        left, top, width, height, colour
    )


def _rule(y: float, title: str) -> Markup:
    line = Markup('<path d="M{} {:.1f}H{}" stroke="{}"/>').format(_LEFT, y, WIDTH - _RIGHT, _FAINT)
    return line + _text(_LEFT - 6, y + 4, title, "end")


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}" fill="{}" font-size="11">{}</text>').format(
        x, y, anchor, _SOFT, escape(text)
    )


def _rounded_up(most: int) -> int:
    """Return the next of 2, 4, 6, 10, 20, 40, 60, 100, …: half of it is whole, too."""
    step = 1
    while True:
        for factor in (2, 4, 6, 10):
            if factor * step >= most:
                return factor * step
        step *= 10


def _thousands(number: float) -> str:
    return f"{number:,.0f}".replace(",", " ")


def _clock(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}"
