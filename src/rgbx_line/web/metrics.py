"""Figures of a line for Prometheus; ``grafana.json`` beside this file is a dashboard of them."""

import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rgbx.errors import RgbxError
from rgbx.files import read_json
from rgbx_line.channel import Link
from rgbx_line.contract import RESULT, PartResult, ReasonCode
from rgbx_line.drift.report import read_drift
from rgbx_line.log.cursor import Cursor
from rgbx_line.log.entry import Entry
from rgbx_line.log.segments import BEGINNING, Position, read_entries, segment_numbers, segment_path
from rgbx_line.outlook import read_outlook
from rgbx_line.settings import LineFolder

DAY_S = 24 * 3600.0
BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0)


class Metrics:
    """Counts results as the log grows, from where it ended when this was made, and looks the rest up when asked.

    Args:
        folder: of the line.
        link: to inference.
    """

    def __init__(self, folder: LineFolder, link: Link) -> None:
        self._folder = folder
        self._link = link
        self._counting = threading.Lock()
        self._position = _end(folder)
        self._registry = CollectorRegistry()
        self._parts = Counter("rgbx_parts", "Parts that were answered.", ["bin", "reason"], registry=self._registry)
        self._latency = Histogram(
            "rgbx_latency_seconds",
            "answer: from the last image; deadline: from the trigger or first image; processing: in the networks.",
            ["stage"],
            buckets=BUCKETS_S,
            registry=self._registry,
        )
        self._misses = Counter("rgbx_deadline_misses", "Parts answered as late.", registry=self._registry)
        self._registry.register(_Present(folder, link))

    def count(self) -> None:
        """Count the results that were announced since the last time.

        Raises:
            InputError: a line of the log is not as it was written.
        """
        with self._counting:
            for entry, position in read_entries(self._folder.log, self._position, self._link.state.announced):
                self._position = position
                if entry.kind == RESULT:
                    self._count(entry, PartResult.model_validate(entry.content))

    def to_text(self) -> bytes:
        """Return all figures as Prometheus reads them."""
        return generate_latest(self._registry)

    def _count(self, entry: Entry, part: PartResult) -> None:
        self._parts.labels(part.bin or "aside", part.reason or "none").inc()
        if part.reason_code is ReasonCode.LATE:
            self._misses.inc()
        if part.latency_ms is not None:
            self._latency.labels("answer").observe(part.latency_ms / 1e3)
        begun = part.triggered or part.first_image
        if begun is not None and begun <= entry.time:  # else the clock was set back
            self._latency.labels("deadline").observe((entry.time - begun).total_seconds())
        if times := (part.result or {}).get("ProcessingTimes"):
            self._latency.labels("processing").observe(times["ProcessingDuration"] / 1e3)


class _Present(Collector):
    """What is so now."""

    def __init__(self, folder: LineFolder, link: Link) -> None:
        self._folder = folder
        self._link = link

    def collect(self) -> Iterator[Metric]:
        state = self._link.state
        for name, said, value in (
            ("rgbx_ready", "1 while a part may come.", state.ready),
            ("rgbx_fault", "What keeps the line from working, by its code; 0 is nothing.", state.fault),
            ("rgbx_open_parts", "Parts without an answer.", state.open_parts),
            ("rgbx_model_number", "Of the active model; 0 is none.", state.model_number),
            ("rgbx_log_announced", "Number of the last entry of the log.", state.announced),
            ("rgbx_disk_free_bytes", "Room where the log is.", shutil.disk_usage(self._folder.folder).free),
        ):
            yield GaugeMetricFamily(name, said, value=float(value))
        yield self._lag(state.announced)
        yield from self._going()
        yield from self._drift()
        yield from self._processes()

    def _lag(self, announced: int) -> Metric:
        lag = GaugeMetricFamily("rgbx_cursor_lag", "Entries that a sink has not delivered.", labels=["sink"])
        for path in sorted(self._folder.cursors.glob("*.json")):
            try:
                reached = Cursor(path).number
            except RgbxError:  # a damaged one is said by its owner
                continue
            lag.add_metric([path.stem], max(0, announced - reached))
        return lag

    def _going(self) -> Iterator[Metric]:
        """Yield what was foreseen last of what retention deletes; nothing before the first time."""
        try:
            outlook = read_outlook(self._folder)
        except RgbxError:  # its writer makes it again
            outlook = None
        if outlook is None:
            return
        days = GaugeMetricFamily("rgbx_going_days", "Days until some go, where it is soon.", labels=["what", "because"])
        for each in outlook.going:
            days.add_metric([each.what, each.because], (each.when - datetime.now(UTC)).total_seconds() / DAY_S)
        yield days
        said = "Parts whose images go soon and that nobody has reviewed."
        yield GaugeMetricFamily("rgbx_unreviewed_going", said, value=float(outlook.unreviewed_going))

    def _drift(self) -> Iterator[Metric]:
        """Yield how far each signal is on the way to a drift alarm, and which alarms stand."""
        try:
            report = read_drift(self._folder)
        except RgbxError:  # its writer makes it again
            return
        level = GaugeMetricFamily("rgbx_drift_level", "How far on the way to a drift alarm, 0 to 1.", labels=["signal"])
        alarm = GaugeMetricFamily("rgbx_drift_alarm", "1 while a drift alarm stands.", labels=["signal"])
        standing = {each.signal for each in report.alarms}
        for signal, far in report.levels.items():
            level.add_metric([signal], far)
            alarm.add_metric([signal], signal in standing)
        yield level
        yield alarm

    def _processes(self) -> Iterator[Metric]:
        alive = GaugeMetricFamily("rgbx_process_alive", "1 while a process runs.", labels=["process"])
        restarts = CounterMetricFamily("rgbx_process_restarts", "Restarts of a process.", labels=["process"])
        try:
            processes = read_json(self._folder.status)["processes"]
        except RgbxError:  # there is no supervisor
            processes = {}
        for name, process in processes.items():
            alive.add_metric([name], process["alive"])
            restarts.add_metric([name], process["restarts"])
        yield alive
        yield restarts


def _end(folder: LineFolder) -> Position:
    """Return the place behind the last whole line of a log."""
    segments = segment_numbers(folder.log)
    if not segments:
        return BEGINNING
    content = segment_path(folder.log, segments[-1]).read_bytes()
    return Position(segments[-1], content.rfind(b"\n") + 1)
