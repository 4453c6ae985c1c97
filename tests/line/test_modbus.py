"""The contract as registers, as a controller reads and writes them."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.pdu.file_message import WriteFileRecordRequest

from fake_inference import FakeInference, part_result, run, until
from rgbx_line.channel import Link
from rgbx_line.contract import FaultCode
from rgbx_line.gateway.delivery import Feed, Reader
from rgbx_line.gateway.modbus import NO_SEQ, ModbusMirror
from rgbx_line.settings import ModbusServer

UNIT = 5


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:  # a short path, which a socket needs
        yield Path(folder)


class Controller:
    """A PLC."""

    def __init__(self, client: AsyncModbusTcpClient) -> None:
        self.client = client

    async def inputs(self) -> list[int]:
        return (await self.client.read_input_registers(0, count=45, device_id=UNIT)).registers

    async def flags(self) -> list[bool]:
        return (await self.client.read_discrete_inputs(0, count=3, device_id=UNIT)).bits[:3]

    async def trigger(self, *words: int, address: int = 0) -> bool:
        return not (await self.client.write_registers(address, list(words), device_id=UNIT)).isError()

    async def answered(self, count: int) -> int:
        """Wait until a trigger is answered; return its TriggerSeq."""
        while (words := await self.inputs())[44] != count:
            await asyncio.sleep(0.002)
        return number(words[42:44])


def number(words: list[int]) -> int:
    return words[0] << 16 | words[1]


def text(words: list[int]) -> str:
    return b"".join(word.to_bytes(2, "big") for word in words).rstrip(b"\0").decode()


def words(name: str) -> list[int]:
    whole = name.encode().ljust(64, b"\0")
    return [int.from_bytes(whole[place : place + 2], "big") for place in range(0, 64, 2)]


@asynccontextmanager
async def controller(line: FakeInference) -> AsyncIterator[Controller]:
    feeds: list[Feed] = []
    async with Link(line.folder.socket, lambda state: [feed.tell(state) for feed in feeds] and None) as link:
        mirror = ModbusMirror(ModbusServer(port=0, unit=UNIT), link, line.folder.folder / "modbus.json")
        feeds.append(Feed("modbus", mirror, line.folder, Reader(line.folder), history=False))
        task = asyncio.create_task(feeds[0].run())
        try:
            await until(lambda: mirror.listening and link.state.ready)
            async with AsyncModbusTcpClient("127.0.0.1", port=mirror.port) as client:
                yield Controller(client)
        finally:
            task.cancel()
            await asyncio.wait({task})


def test_the_tags_are_registers(folder: Path) -> None:
    async def test() -> None:
        async with FakeInference(folder) as line, controller(line) as plc:
            line.tell(busy=True)
            await until_async(plc, lambda words: words[1] == 1)
            tags = await plc.inputs()
            assert (tags[0], tags[1], tags[3:8], tags[8], tags[9]) == (1, 1, [0, 0, 0, 0, 0], 3, 0)
            line.append(70_003)
            line.tell(busy=False)
            await until_async(plc, lambda words: words[5] == 1)
            tags = await plc.inputs()
            result = part_result(70_003)
            assert (tags[0], tags[1], tags[8], tags[9]) == (1, 0, 3, 0)
            assert (number(tags[3:5]), tags[6], tags[7], text(tags[10:42])) == (70_003, result.bin_code, 0, "P70003")
            assert await plc.flags() == [True, False, True]
            line.answer(70_004)
            await until_async(plc, lambda words: words[5] == 0)
            assert number((await plc.inputs())[3:5]) == 70_004
            line.tell(ready=False, fault=FaultCode.LOG)
            await until_async(plc, lambda words: words[0] == 0 and words[9] == FaultCode.LOG)
            assert await plc.flags() == [False, False, False]

    run(test())


async def until_async(plc: Controller, true: Callable[[list[int]], bool]) -> None:
    while not true(await plc.inputs()):
        await asyncio.sleep(0.002)


def test_the_heartbeat_counts_seconds(folder: Path) -> None:
    async def test() -> None:
        async with FakeInference(folder) as line, controller(line) as plc:
            before = (await plc.inputs())[2]
            await asyncio.sleep(1.1)
            assert ((await plc.inputs())[2] - before) % 65536 in (1, 2)

    run(test())


def test_a_result_is_seen_whole_or_not_at_all(folder: Path) -> None:
    async def test() -> None:
        async with FakeInference(folder) as line, controller(line) as plc:
            seen: dict[int, list[int]] = {}
            last = 60

            async def look() -> None:
                while last not in seen:
                    tags = await plc.inputs()
                    seen.setdefault(number(tags[3:5]), []).append(tags[5])
                    if tags[3:5] != [0, 0]:
                        assert text(tags[10:42]) == f"P{number(tags[3:5])}"
                        assert tags[6] == number(tags[3:5]) % 7 + 1

            looking = asyncio.create_task(look())
            for seq in range(1, last + 1):
                line.answer(seq)
                await asyncio.sleep(0.003)
            await looking
            assert len(seen) > 10
            assert all(set(valid) == {seq % 2} for seq, valid in seen.items())

    run(test())


def test_the_last_result_and_its_flag_are_there_after_a_restart(folder: Path) -> None:
    async def test() -> None:
        async with FakeInference(folder) as line:
            async with controller(line) as plc:
                line.answer(8, 9)
                await until_async(plc, lambda words: number(words[3:5]) == 9)
                before = await plc.inputs()
            async with controller(line) as plc:
                await until_async(plc, lambda words: number(words[3:5]) == 9)
                after = await plc.inputs()
            assert before[3:8] + before[10:42] == after[3:8] + after[10:42]

    run(test())


@pytest.mark.parametrize(
    ("part_id", "shown"),
    [("Gerät 7", "Gerät 7"), ("x" * 70, "x" * 64), ("x" * 63 + "ä", "x" * 63), ("", "")],
)
def test_a_part_id_is_cut_off_between_two_characters(folder: Path, part_id: str, shown: str) -> None:
    async def test() -> None:
        async with FakeInference(folder) as line, controller(line) as plc:
            line.log.append([("result", part_result(1, part_id).model_dump(mode="json"))])
            line.tell()
            await until_async(plc, lambda words: words[5] == 1)
            assert text((await plc.inputs())[10:42]) == shown

    run(test())


def test_another_counter_is_a_trigger(folder: Path) -> None:
    async def test() -> None:
        async with FakeInference(folder) as line, controller(line) as plc:
            assert await plc.trigger(7, *words("Gerät 7"))
            assert await plc.answered(7) == 70_001
            assert await plc.trigger(7, *words("Gerät 8"))  # no other counter, no trigger
            assert await plc.trigger(*words(""), address=1)
            assert await plc.trigger(8)
            assert await plc.answered(8) == 70_002
            assert await plc.trigger(0, *words("P"))  # 65535 and on
            assert await plc.answered(0) == 70_003
            assert line.asked == [("trigger", {"part_id": "Gerät 7"}), ("trigger", {}), ("trigger", {"part_id": "P"})]
            assert text((await plc.client.read_holding_registers(1, count=32, device_id=UNIT)).registers) == "P"

    run(test())


def test_many_triggers_are_asked_for_in_their_order(folder: Path) -> None:
    async def test() -> None:
        async with FakeInference(folder) as line, controller(line) as plc:
            for count in range(1, 30):
                assert await plc.trigger(count, *words(f"P{count}"))
            assert await plc.answered(29) == 70_029
            assert [content["part_id"] for _, content in line.asked] == [f"P{count}" for count in range(1, 30)]

    run(test())


def test_a_counter_that_is_written_again_after_a_restart_is_no_trigger(folder: Path) -> None:
    async def test() -> None:
        async with FakeInference(folder) as line:
            async with controller(line) as plc:
                assert await plc.trigger(17)
                assert await plc.answered(17) == 70_001
            async with controller(line) as plc:
                assert await plc.answered(17) == NO_SEQ
                assert await plc.trigger(17)
                assert await plc.trigger(18)
                assert await plc.answered(18) == 70_002
            assert len(line.asked) == 2

    run(test())


def test_a_trigger_that_is_refused_gets_no_seq(folder: Path) -> None:
    async def test() -> None:
        async with FakeInference(folder) as line, controller(line) as plc:
            line.refuses = True
            assert await plc.trigger(1)
            assert await plc.answered(1) == NO_SEQ
            line.refuses = False
            assert await plc.trigger(2)
            assert await plc.answered(2) == 70_001

    run(test())


def test_nothing_else_can_be_written(folder: Path) -> None:
    async def test() -> None:
        async with FakeInference(folder) as line, controller(line) as plc:
            before = await plc.inputs()
            client = plc.client
            refused = [
                await client.write_coil(0, True, device_id=UNIT),
                await client.write_coils(0, [True, True], device_id=UNIT),
                await client.write_register(33, 1, device_id=UNIT),
                await client.write_registers(0, [1] * 34, device_id=UNIT),
                await client.write_registers(1, [0xFFFF], device_id=UNIT),  # no UTF-8
                await client.mask_write_register(address=0, and_mask=0, or_mask=9, device_id=UNIT),
                await client.read_coils(0, device_id=UNIT),
                await client.read_input_registers(45, device_id=UNIT),
                await client.diag_restart_communication(True, device_id=UNIT),
                await client.write_registers(0, [9], device_id=UNIT + 1),
                await client.read_input_registers(0, device_id=UNIT + 1),
                await client.execute(False, WriteFileRecordRequest(dev_id=UNIT)),
            ]
            assert all(answer.isError() for answer in refused), refused
            await asyncio.sleep(0.02)
            assert line.asked == []
            assert (await plc.inputs())[3:] == before[3:]
            holding = (await client.read_holding_registers(0, count=33, device_id=UNIT)).registers
            assert holding == [0] * 33

    run(test())


def test_a_port_that_is_taken_is_tried_again(folder: Path) -> None:
    async def test() -> None:
        async with FakeInference(folder) as line, Link(line.folder.socket) as link:
            first = ModbusMirror(ModbusServer(port=0), link, folder / "one.json")
            await first.start()
            second = ModbusMirror(ModbusServer(port=first.port), link, folder / "two.json")
            feed = Feed("modbus", second, line.folder, Reader(line.folder), history=False)
            task = asyncio.create_task(feed.run())
            await until(lambda: feed.problem is not None)
            assert "stop what else does" in str(feed.problem)
            await first.stop()
            await until(lambda: second.listening)
            task.cancel()
            await asyncio.wait({task})

    run(test())
