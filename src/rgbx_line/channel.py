"""How the processes of a line talk: JSON lines over a Unix socket, which inference serves and all others connect to.

Inference tells everybody, ``{"type": "state", …}`` with the fields of :class:`~rgbx_line.contract.LineState`, at each
change and once a second. Others ask, ``{"type": "request", "id": 7, "do": "trigger", "with": {…}}``, and are answered,
``{"type": "reply", "id": 7, "said": {…}}`` or ``{"type": "reply", "id": 7, "error": "…"}``.

What happened is not told here: it is in the log, and the state says how far that may be read.
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import structlog

from rgbx.errors import InputError, RgbxError
from rgbx_line.contract import LineState

LONGEST_PATH = 107
"""Bytes that Linux leaves for the path of a socket."""
BEHIND = 100
"""Messages that a client may be behind; one that is further is cut off and has to connect again."""
LONGEST_MESSAGE = 2**20
TRY_AGAIN_S = 0.2

_log = structlog.get_logger("rgbx.line")

Handler = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""What answers a request: its name and what comes with it; an :class:`~rgbx.errors.RgbxError` is the asker's answer."""


class Hub:
    """The end that serves.

    Args:
        path: of the socket.
        handler: what answers requests.
    """

    def __init__(self, path: Path, handler: Handler) -> None:
        self._path = path
        self._handler = handler
        self._clients: dict[asyncio.Queue[bytes], asyncio.StreamWriter] = {}
        self._state = LineState()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Let clients connect: those of this user alone.

        Raises:
            InputError: the path is too long for a socket.
        """
        if len(os.fsencode(self._path)) > LONGEST_PATH:
            raise InputError(self._path, "is too long a path for a socket", "give the line a folder with a shorter one")
        self._path.unlink(missing_ok=True)  # of a process that was killed; the log's lock says that no other runs
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._welcome, self._path, limit=LONGEST_MESSAGE)
        finally:
            os.umask(before)

    def tell(self, state: LineState) -> None:
        """Tell every client the state; those that come later hear it first."""
        self._state = state
        message = _state_line(state)
        for queue, writer in list(self._clients.items()):
            try:
                queue.put_nowait(message)
            except asyncio.QueueFull:
                writer.close()

    async def close(self) -> None:
        """Send everybody away."""
        if self._server is not None:
            self._server.close()
        for writer in self._clients.values():
            writer.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._run(self._serve(reader, writer))  # one of asyncio's own would be a loud end when it is cancelled

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        queue: asyncio.Queue[bytes] = asyncio.Queue(BEHIND)
        queue.put_nowait(_state_line(self._state))
        self._clients[queue] = writer
        sending = self._run(self._send(queue, writer))
        try:
            while line := await reader.readline():
                self._run(self._reply(line, queue))
        except (OSError, ValueError):  # it is gone, or sent more than a message
            pass
        finally:
            del self._clients[queue]
            sending.cancel()
            writer.close()

    def _run(self, work: Any) -> "asyncio.Task[None]":
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _send(self, queue: "asyncio.Queue[bytes]", writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while True:
                writer.write(await queue.get())
                await writer.drain()

    async def _reply(self, line: bytes, queue: "asyncio.Queue[bytes]") -> None:
        message = json.loads(line)
        try:
            said: dict[str, Any] = {"said": await self._handler(message["do"], message.get("with", {}))}
        except RgbxError as error:
            said = {"error": str(error)}
        except Exception:  # whoever asks is not to wait forever
            _log.exception("a request failed", do=message["do"])
            said = {"error": f"the line could not do '{message['do']}': its own log says why."}
        await queue.put(_line({"type": "reply", "id": message["id"], **said}))


class Link:
    """The end that asks, and hears of every state; it connects again by itself.

    Args:
        path: of the socket.
        heard: what is told each state; ``LineState()``, not ready, while inference cannot be reached.
    """

    def __init__(self, path: Path, heard: Callable[[LineState], None] = lambda _: None) -> None:
        self._path = path
        self._heard = heard
        self._writer: asyncio.StreamWriter | None = None
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self._task: asyncio.Task[None] | None = None
        self.state = LineState()
        """The last that was heard."""
        self._is_connected = asyncio.Event()

    async def connected(self, within_s: float) -> None:
        """Wait until inference is reached.

        Raises:
            RgbxError: it is not, within so many seconds.
        """
        try:
            await asyncio.wait_for(self._is_connected.wait(), within_s)
        except TimeoutError:
            raise RgbxError(f"no line is running in {self._path.parent}: run 'rgbx line run' first.") from None

    async def __aenter__(self) -> Self:
        self._task = asyncio.ensure_future(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def ask(self, do: str, **content: Any) -> dict[str, Any]:
        """Ask inference for something and wait for its answer.

        Raises:
            RgbxError: it refuses, or cannot be reached.
        """
        if self._writer is None:
            raise RgbxError("the line's inference is not running: try again in a moment.")
        self._number += 1
        answer = self._asked[self._number] = asyncio.get_running_loop().create_future()
        self._writer.write(_line({"type": "request", "id": self._number, "do": do, "with": content}))
        return await answer

    async def _listen(self) -> None:
        while True:
            with suppress(OSError, ValueError):
                reader, self._writer = await asyncio.open_unix_connection(self._path, limit=LONGEST_MESSAGE)
                self._is_connected.set()
                while line := await reader.readline():
                    self._take(json.loads(line))
            if self._writer is not None:
                self._writer.close()
                self._writer = None
                self._is_connected.clear()
                self._lost()
            await asyncio.sleep(TRY_AGAIN_S)

    def _take(self, message: dict[str, Any]) -> None:
        if message.pop("type") == "state":
            self._tell(LineState.model_validate(message))
            return
        answer = self._asked.pop(message["id"], None)
        if answer is None or answer.done():
            return
        if "error" in message:
            answer.set_exception(RgbxError(message["error"]))
        else:
            answer.set_result(message["said"])

    def _lost(self) -> None:
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(RgbxError("the line's inference stopped before it had answered: try again."))
        self._asked.clear()
        self._tell(LineState(announced=self.state.announced))

    def _tell(self, state: LineState) -> None:
        self.state = state
        self._heard(state)


def _state_line(state: LineState) -> bytes:
    return _line({"type": "state", **state.model_dump(mode="json")})


def _line(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"
