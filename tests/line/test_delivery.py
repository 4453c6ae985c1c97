"""Results on their way from the log: each at least once, in order, whatever fails in between."""

import asyncio
import random
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_inference import FakeInference, run, until
from rgbx.errors import RgbxError
from rgbx_line.channel import Link
from rgbx_line.contract import FaultCode, LineState, PartResult
from rgbx_line.gateway import delivery, process
from rgbx_line.gateway.delivery import Feed, Reader
from rgbx_line.gateway.process import run_gateway
from rgbx_line.log import Entry
from rgbx_line.log.cursor import Cursor
from rgbx_line.log.segments import BEGINNING, Position, read_entries, segment_numbers, segment_path
from rgbx_line.settings import LineSettings, ModbusServer, MqttBroker


class FakeSink:
    """Remembers what it got; fails as often as it is told to, before or after it has taken a result."""

    def __init__(self) -> None:
        self.got: list[int] = []
        self.states: list[tuple[LineState, int | None]] = []
        """Each with the last that had been delivered before."""
        self.failures: list[str] = []
        self.stopped = False

    async def start(self) -> None:
        self._fail("start")

    async def stop(self) -> None:
        self.stopped = True

    def tell(self, state: LineState) -> None:
        self.states.append((state, self.got[-1] if self.got else None))

    async def deliver(self, entry: Entry, result: PartResult) -> None:
        self._fail("before")
        assert entry.content["part_id"] == result.part_id
        self.got.append(result.seq)
        self._fail("after")

    def _fail(self, when: str) -> None:
        if self.failures and self.failures[0] == when:
            raise ConnectionError(f"away {self.failures.pop(0)}")


@pytest.fixture(autouse=True, scope="module")
def short_pauses() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delivery, "FIRST_PAUSE_S", 0.001)
        patch.setattr(delivery, "LONGEST_PAUSE_S", 0.01)
        patch.setattr(delivery, "SAVE_EVERY_S", 0.01)
        yield


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:  # a short path, which a socket needs
        yield Path(folder)


@asynccontextmanager
async def running(
    line: FakeInference, sink: FakeSink, history: bool = True, name: str = "broker"
) -> AsyncIterator[Feed]:
    feed = Feed(name, sink, line.folder, Reader(line.folder), history)
    async with Link(line.folder.socket, feed.tell):
        task = asyncio.create_task(feed.run())
        try:
            yield feed
        finally:
            task.cancel()
            await asyncio.wait({task})


EVENTS = ("one result", "many results", "something else", "fails before", "fails after", "fails start")
LIVES = st.lists(st.tuples(st.lists(st.sampled_from(EVENTS), max_size=8), st.booleans()), max_size=4)
"""Of a gateway: what happens, and whether it ends by a crash."""


@settings(max_examples=15, deadline=None)
@given(lives=LIVES, seed=st.integers(0, 999))
def test_every_result_comes_in_order_whatever_happens(lives: list[tuple[list[str], bool]], seed: int) -> None:
    order = Random(seed)
    seqs = order.sample(range(2**20), 5000)
    written: list[int] = []
    sink = FakeSink()

    def happen(event: str, line: FakeInference) -> None:
        if event.startswith("fails"):
            sink.failures.append(event.removeprefix("fails "))
        elif event == "something else":
            line.append(1, kind="audit")
            line.tell()
        else:
            new = [seqs.pop() for _ in range(100 if event == "many results" else 1)]
            written.extend(new)
            line.answer(*new)

    async def test(folder: Path) -> None:
        async with FakeInference(folder) as line:
            cursor = line.folder.cursors / "broker.json"
            for events, crash in lives:
                kept = cursor.read_bytes() if cursor.exists() else None
                async with running(line, sink):
                    for event in events:
                        happen(event, line)
                        await asyncio.sleep(order.choice((0, 0.003)))
                if crash and kept is not None:
                    cursor.write_bytes(kept)  # as if it had not been saved since
            sink.failures.clear()
            happen("one result", line)
            async with running(line, sink):
                await until(lambda: sink.got[-1:] == written[-1:])

    with tempfile.TemporaryDirectory() as folder:
        run(test(Path(folder)))
    places = [written.index(seq) for seq in sink.got]
    assert set(places) == set(range(len(written)))
    assert all(after <= before + 1 for before, after in pairwise(places)), "one was left out"


def test_it_goes_on_where_it_stopped_and_reads_nothing_twice(folder: Path) -> None:
    async def test() -> None:
        async with FakeInference(folder) as line:
            first, second = FakeSink(), FakeSink()
            line.answer(*range(5))
            async with running(line, first) as feed:
                await until(lambda: len(first.got) == 5)
                damage(line, 0)
                line.answer(5)
                await until(lambda: len(first.got) == 6)
                assert feed.problem is None
            assert first.stopped
            assert Cursor(line.folder.cursors / "broker.json").number == 6
            line.answer(6, 7)
            async with running(line, second):
                await until(lambda: len(second.got) == 2)
            assert (first.got, second.got) == ([0, 1, 2, 3, 4, 5], [6, 7])

    run(test())


def damage(line: FakeInference, segment: int) -> None:
    path = segment_path(line.folder.log, segment_numbers(line.folder.log)[segment])
    content = path.read_bytes()
    path.write_bytes(content[:20] + b"?" + content[21:])


def test_what_was_not_announced_is_not_delivered(folder: Path) -> None:
    async def test() -> None:
        async with FakeInference(folder) as line:
            sink = FakeSink()
            line.answer(1)
            line.append(2)
            async with running(line, sink) as feed:
                await until(lambda: sink.got == [1])
                await asyncio.sleep(0.05)
                assert sink.got == [1]
                line.tell()
                await until(lambda: sink.got == [1, 2] and feed.lag == 0)

    run(test())


def test_a_sink_without_history_begins_with_the_last_result(folder: Path) -> None:
    async def test() -> None:
        async with FakeInference(folder) as line:
            for seq in range(30):
                line.answer(seq)
            for seq in range(20):
                line.append(seq, kind="audit")
            line.tell()
            assert len(segment_numbers(line.folder.log)) > 5
            damage(line, 0)
            sink = FakeSink()
            async with running(line, sink, history=False) as feed:
                await until(lambda: sink.got == [29] and feed.lag == 0)
                line.answer(30)
                await until(lambda: sink.got == [29, 30])
            assert not line.folder.cursors.exists()

    run(test())


def test_a_sink_hears_of_a_state_after_the_results_before_it(folder: Path) -> None:
    async def test() -> None:
        async with FakeInference(folder) as line:
            sink = FakeSink()
            async with running(line, sink, history=False):
                await until(lambda: bool(sink.states))
                for number in range(1, 41):
                    line.answer(number)
                    await asyncio.sleep(random.choice((0, 0.002)))
                await until(lambda: sink.states[-1][0].announced == 40)
            assert all(last == (state.announced or None) for state, last in sink.states)

    run(test())


def test_what_several_sinks_ask_for_at_once_is_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Position] = []

    def counted(log: Path, after: Position, through: int) -> Iterator[tuple[Entry, Position]]:
        reads.append(after)
        return read_entries(log, after, through)

    monkeypatch.setattr(delivery, "read_entries", counted)

    async def test() -> None:
        async with FakeInference(folder) as line:
            line.append(1, 2)
            reader, cursors = Reader(line.folder), [Cursor(folder / f"{number}.json") for number in range(2)]
            with pytest.raises(RgbxError, match="lacks line 3"):
                await reader.read(cursor_at(line, 2), 3)
            first, second = [await reader.read(cursor, 2) for cursor in cursors]
            assert [each.result and each.result.seq for each in first] == [1, 2]
            assert first is second
            assert len(reads) == 2
            assert len(await reader.read(cursors[0], 1)) == 1, "no more than was announced"
            line.append(3)
            missing = cursor_at(line, 2)
            assert [each.entry.number for each in await reader.read(missing, 3)] == [3], "what was missing has come"

    run(test())


def cursor_at(line: FakeInference, number: int) -> Cursor:
    cursor = Cursor(line.folder.cursors / "none.json")
    for entry, behind in read_entries(line.folder.log, BEGINNING, number):
        cursor.move(entry, behind)
    return cursor


def test_a_damaged_log_is_a_stated_problem_and_the_state_goes_on(folder: Path) -> None:
    async def test() -> None:
        async with FakeInference(folder) as line:
            sink = FakeSink()
            line.answer(0, 1, 2)
            damage(line, 0)
            async with running(line, sink) as feed:
                await until(lambda: feed.problem is not None)
                assert "is damaged at byte 0" in str(feed.problem)
                line.tell(ready=False, fault=FaultCode.LOG)
                await until(lambda: sink.states[-1][0].fault is FaultCode.LOG)
                assert (feed.lag, sink.got) == (3, [])

    run(test())


def gateway_settings(folder: Path, **changes: object) -> LineSettings:
    return LineSettings.model_validate({"folder": folder, "bundle": folder / "b", "bins": {"mixed": 1}, **changes})


def test_one_sink_that_is_away_does_not_hold_up_another(folder: Path) -> None:
    reports: dict[str, int] = {}

    def report(feeds: Mapping[str, Feed]) -> None:
        reports.update({name: feed.lag for name, feed in feeds.items()})

    async def test(port: int) -> None:
        settings = gateway_settings(folder, mqtt=MqttBroker(port=port), modbus=ModbusServer(port=0))
        stop = asyncio.Event()
        async with FakeInference(folder) as line:
            line.answer(1, 2, 3)
            gateway = asyncio.create_task(run_gateway(settings, stop, report))
            await until(lambda: reports == {"mqtt": 3, "modbus": 0})
            asked = time.monotonic()
            stop.set()
            await gateway
            assert time.monotonic() - asked < 2.0

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # where nothing listens
        run(test(taken.getsockname()[1]))


def test_a_line_whose_inference_falls_silent_is_not_ready(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = FakeSink()
    monkeypatch.setattr(process, "SILENT_S", 0.2)
    monkeypatch.setattr(process, "_LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(process, "ModbusMirror", lambda *_: sink)

    async def test() -> None:
        stop = asyncio.Event()
        async with FakeInference(folder) as line:
            gateway = asyncio.create_task(run_gateway(gateway_settings(folder, modbus=ModbusServer()), stop))
            await until(lambda: bool(sink.states) and sink.states[-1][0].ready)
            await until(lambda: not sink.states[-1][0].ready)
            assert sink.states[-1][0].fault_text == "inference does not answer"
            line.tell()
            await until(lambda: sink.states[-1][0].ready)
            stop.set()
            await gateway

    run(test())
