"""The contract as Modbus registers, for controllers that speak nothing else.

Addresses count from 0. What belongs together is to be read in one request: then it is of one moment.

=============== ============= =========================================================================================
Input register  Name          Content
=============== ============= =========================================================================================
0               Ready         0 or 1
1               Busy          0 or 1
2               Heartbeat     counts seconds, and begins again at 0
3, 4            PartSeq       of the last result, the high word first
5               ResultValid   0 or 1, changes with each result
6               BinCode       0 is aside
7               ReasonCode
8               ModelNumber
9               Fault         0 is none
10 to 41        PartId        64 bytes of UTF-8, two a register, the first in the high byte; zeros fill it up, and a
                              longer one is cut off between two characters
42, 43          TriggerSeq    PartSeq that the last trigger got, the high word first; 4294967295 (all bits set) when it
                              got none: the line refused it, or the gateway was started since
44              TriggerCount  counter of the trigger that TriggerSeq is the answer to
=============== ============= =========================================================================================

Discrete inputs 0, 1 and 2 are Ready, Busy and ResultValid.

================= ============ ========================================================================================
Holding register  Name         Content
================= ============ ========================================================================================
0                 Trigger      a counter: writing another value than it has announces a part; it outlives the gateway
1 to 32           TriggerId    the part's name as PartId is coded; zeros let the line give one
================= ============ ========================================================================================

The name is written together with the counter, or before it. TriggerCount takes the counter's value when the line has
answered. Nothing else can be written, and other units than the line's are refused.
"""

import asyncio
import time
from contextlib import suppress
from pathlib import Path

import structlog
from pydantic import Field
from pymodbus.constants import ExcCodes
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from rgbx.config import Config
from rgbx.errors import InputError, RgbxError
from rgbx.files import read_json, write_text
from rgbx_line.channel import Link
from rgbx_line.contract import LARGEST_WORD, LineState, PartResult, tags_of
from rgbx_line.log import Entry
from rgbx_line.settings import ModbusServer

NO_SEQ = 2**32 - 1
"""``TriggerSeq`` of a trigger that got none."""
_ID_REGISTERS = 32
_INPUTS = 13 + _ID_REGISTERS
_HOLDING = 1 + _ID_REGISTERS
_HEARTBEAT = 2
_READ_BITS, _READ_HOLDING, _READ_INPUTS, _WRITE_ONE, _WRITE_MANY, _WRITE_AND_READ = 2, 3, 4, 6, 16, 23
_FUNCTIONS = (_READ_BITS, _READ_HOLDING, _READ_INPUTS, _WRITE_ONE, _WRITE_MANY, _WRITE_AND_READ)
_log = structlog.get_logger("rgbx.line.modbus")


class _Kept(Config):
    trigger: int = Field(ge=0, le=LARGEST_WORD)


class ModbusMirror:
    """A Modbus TCP server that shows the state and the last result, and takes triggers.

    Args:
        server: where it listens.
        link: to inference.
        kept: file that the trigger's counter is kept in: one that is written again and again, as many controllers do,
            is no new trigger after a restart.
    """

    def __init__(self, server: ModbusServer, link: Link, kept: Path) -> None:
        self._settings = server
        self._link = link
        self._kept = kept
        self._server: ModbusTcpServer | None = None
        self._state = LineState()
        self._last: PartResult | None = None
        self._valid = False
        self._shown: list[int] | None = None
        """Input registers up to ``PartId``; None when something has changed since they were last asked for."""
        self._trigger = 0
        self._answered = (NO_SEQ, 0)
        """``TriggerSeq`` and ``TriggerCount``."""
        self._triggers: asyncio.Queue[tuple[int, str]] = asyncio.Queue()
        self._asking: asyncio.Task[None] | None = None

    @property
    def listening(self) -> bool:
        """Whether controllers can connect."""
        return self._asking is not None

    @property
    def port(self) -> int:
        """That it listens on; only while it does."""
        assert self._server is not None
        return int(self._server.transport.sockets[0].getsockname()[1])  # type: ignore[attr-defined]

    async def start(self) -> None:
        """Listen.

        Raises:
            InputError: the file of the trigger's counter is none.
            RgbxError: the port is taken, or may not be used.
        """
        await self.stop()
        if self._kept.exists():
            self._trigger = _read_kept(self._kept)
            self._answered = NO_SEQ, self._trigger
        host, port = self._settings.host, self._settings.port
        refused = [_refused(code) for code in range(1, 128) if code not in _FUNCTIONS]
        self._server = ModbusTcpServer([self._device(), _nobody()], address=(host, port), custom_pdu=refused)
        try:
            await self._server.serve_forever(background=True)
        except RuntimeError as error:
            self._server = None
            raise RgbxError(
                f"Modbus cannot listen on {host}, port {port}: stop what else does, or give another one as modbus.port."
            ) from error
        self._asking = asyncio.create_task(self._ask())
        _log.info("Modbus listens", host=host, port=self.port, unit=self._settings.unit)

    async def stop(self) -> None:
        """Send everybody away."""
        if self._asking is not None:
            self._asking.cancel()
            with suppress(asyncio.CancelledError):
                await self._asking
            self._asking = None
        if self._server is not None:
            await self._server.shutdown()
            self._server = None

    def tell(self, state: LineState) -> None:
        """Show what the line says of itself."""
        self._state = state
        self._shown = None

    async def deliver(self, entry: Entry, result: PartResult) -> None:  # noqa: ARG002
        """Show a result; all of it, and ``ResultValid``, at once."""
        # The first one's ResultValid is as it was before a restart, if no result came in between or was left out.
        self._valid = result.seq % 2 == 1 if self._last is None else not self._valid
        self._last = result
        self._shown = None

    def _device(self) -> SimDevice:
        """Return the registers as the library wants them; what they hold is put in when they are read."""
        return SimDevice(
            self._settings.unit,
            simdata=(
                [SimData(0, datatype=DataType.BITS, values=[False])],  # coils, which nobody can ask for
                [SimData(0, datatype=DataType.BITS, values=[False] * 16)],
                [SimData(0, datatype=DataType.REGISTERS, values=[self._trigger] + [0] * _ID_REGISTERS)],
                [SimData(0, datatype=DataType.REGISTERS, values=[0] * _INPUTS)],
            ),
            action=self._serve,
        )

    async def _serve(
        self,
        function: int,
        start: int,  # noqa: ARG002
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Fill in what is read, look at what is written. Nothing here waits, so a request sees one moment."""
        if values is not None:
            written = registers[:address] + [int(value) for value in values] + registers[address + count : _HOLDING]
            return self._take(written, registers[0])
        if function == _READ_INPUTS:
            registers[:_INPUTS] = self._inputs()
        elif function == _READ_BITS:
            registers[0] = self._state.ready | self._state.busy << 1 | self._valid << 2
        return None

    def _show(self) -> list[int]:
        """Return the input registers up to ``PartId``."""
        tags = tags_of(self._state, self._last, 0, self._valid)
        return [
            tags.Ready,
            tags.Busy,
            tags.Heartbeat,
            *_two_words(tags.PartSeq),
            tags.ResultValid,
            tags.BinCode,
            tags.ReasonCode,
            tags.ModelNumber,
            tags.Fault,
            *_text_words(tags.PartId),
        ]

    def _inputs(self) -> list[int]:
        seq, count = self._answered
        if self._shown is None:  # made once for each change, since controllers ask far more often
            self._shown = self._show()
        inputs = [*self._shown, *_two_words(seq), count]
        inputs[_HEARTBEAT] = int(time.monotonic()) & LARGEST_WORD
        return inputs

    def _take(self, written: list[int], before: int) -> ExcCodes | None:
        """Look at holding registers as they will be; a new counter is a trigger."""
        trigger = written[0]
        try:
            part_id = _words_text(written[1:])
        except UnicodeDecodeError:
            return ExcCodes.ILLEGAL_VALUE
        if trigger == before:
            return None
        try:
            # Kept before the line is asked: after a crash a part that was not announced is better than one twice.
            write_text(self._kept, _Kept(trigger=trigger).model_dump_json() + "\n")
        except RgbxError as error:
            _log.error("trigger refused", problem=str(error))
            return ExcCodes.DEVICE_FAILURE
        self._triggers.put_nowait((trigger, part_id))
        return None

    async def _ask(self) -> None:
        """Announce parts to inference, in the order of their triggers."""
        while True:
            trigger, part_id = await self._triggers.get()
            try:
                said = await self._link.ask("trigger", **({"part_id": part_id} if part_id else {}))
                self._answered = said["seq"], trigger
            except RgbxError as error:
                _log.warning("trigger refused", trigger=trigger, problem=str(error))
                self._answered = NO_SEQ, trigger


def _refused(code: int) -> type[ModbusPDU]:
    """Return the request of a function that is not offered: coils, files, diagnostics and what there is not."""

    class Refused(ModbusPDU):
        function_code = code

        def decode(self, data: bytes) -> None:
            pass

        async def datastore_update(self, context: object, device_id: int) -> ModbusPDU:  # noqa: ARG002
            return ExceptionResponse(code, ExcCodes.ILLEGAL_FUNCTION)

    return Refused


def _nobody() -> SimDevice:
    """Return what answers for all other units."""

    async def refuse(*_: object) -> ExcCodes:
        return ExcCodes.GATEWAY_NO_RESPONSE

    return SimDevice(0, simdata=[SimData(0, count=_INPUTS, datatype=DataType.REGISTERS)], action=refuse)


def _read_kept(path: Path) -> int:
    try:
        return _Kept.model_validate(read_json(path)).trigger
    except ValueError as error:
        raise InputError(path, "holds no trigger counter", "delete it") from error


def _two_words(number: int) -> tuple[int, int]:
    return number >> 16, number & LARGEST_WORD


def _text_words(text: str) -> list[int]:
    """Return text as registers, cut off between two characters where it is too long."""
    whole = text.encode()[: 2 * _ID_REGISTERS].decode(errors="ignore").encode()
    padded = whole.ljust(2 * _ID_REGISTERS, b"\0")
    return [int.from_bytes(padded[place : place + 2], "big") for place in range(0, len(padded), 2)]


def _words_text(words: list[int]) -> str:
    return b"".join(word.to_bytes(2, "big") for word in words).partition(b"\0")[0].decode()
