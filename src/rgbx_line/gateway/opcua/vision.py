"""The line as a vision system of OPC 40100-1 Machine Vision 1.0.

Its recipes are the models of the line's store, its one configuration is the line's settings and flat field. The line
answers every part that comes, whoever announced it: ``StartSingleJob`` triggers a part, ``StartContinuous`` says that
all that come belong to one job, and each part that comes without a job is one of its own. ``Stop`` and ``Abort`` end a
job, not the answer to a part that is on its way. A job ends too when the line has a fault or the gateway stops.

Not there: the Inline facet (the library refreshes no conditions), errors as conditions (they are events), steps,
simulation, safety, products, and the transfer of files; recipes come into the line by ``rgbx line model add``.
"""

import asyncio
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asyncua import Server, ua
from asyncua.common.node import Node
from asyncua.common.utils import ServiceError

from rgbx.errors import RgbxError
from rgbx.files import digest, sha256
from rgbx_line.channel import Link
from rgbx_line.contract import FaultCode, LineState, PartResult
from rgbx_line.gateway.opcua.access import OpcUaUser
from rgbx_line.gateway.opcua.tags import NAMESPACE
from rgbx_line.gateway.opcua.vision_events import Field, VisionEvents
from rgbx_line.gateway.opcua.vision_nodes import VisionNodes
from rgbx_line.gateway.opcua.vision_recipes import Configurations, Recipes
from rgbx_line.gateway.opcua.vision_results import Results
from rgbx_line.gateway.opcua.vision_states import AutomaticState, StateMachine, SystemState, VisionStates
from rgbx_line.gateway.opcua.vision_types import (
    DONE,
    REFUSED,
    VisionJob,
    VisionType,
    VisionValues,
    identifier,
    load_nodeset,
)
from rgbx_line.log import Entry
from rgbx_line.settings import LineFolder, LineSettings

TRIGGERED_WITHIN_S = 5.0
"""Inference says at once which number a part has; results wait for that, so that each finds its job."""
_STRUCTURE = ua.VariantType.ExtensionObject
_SENT_AS = {
    "ResultId": _STRUCTURE,
    "IsPartial": ua.VariantType.Boolean,
    "IsSimulated": ua.VariantType.Boolean,
    "ResultState": ua.VariantType.Int32,
    "MeasId": _STRUCTURE,
    "PartId": _STRUCTURE,
    "InternalRecipeId": _STRUCTURE,
    "InternalConfigurationId": _STRUCTURE,
    "JobId": _STRUCTURE,
    "CreationTime": ua.VariantType.DateTime,
    "ProcessingTimes": _STRUCTURE,
    "ResultContent": ua.VariantType.Variant,
}
"""The fields of ``ResultReadyEventType`` that the line knows of."""


class VisionSystem:
    """The vision system in the server: it shows what the line does, and clients give it jobs.

    Args:
        settings: of the line.
        folder: of the line.
        link: to inference.
    """

    def __init__(self, settings: LineSettings, folder: LineFolder, link: Link) -> None:
        self._settings = settings
        self._folder = folder
        self._link = link
        self._state = link.state
        self._job: VisionJob | None = None
        self._changing = asyncio.Lock()
        """Held while a job or a state changes, and while a result finds its job."""

    async def build(self, server: Server, nodeset: Path) -> None:
        """Add it to the server.

        Raises:
            InputError: the nodeset is missing, damaged, or another one.
        """
        index = await load_nodeset(server, nodeset)
        nodes = VisionNodes(server, index, await server.get_namespace_index(NAMESPACE))
        flat = self._settings.flat
        files = [sha256(flat)] if flat is not None else []
        self._values = VisionValues(index, digest(self._settings.model_dump_json(), *files))
        self._results = Results(self._folder.log, self._link, self._values)
        system = await nodes.add_system()
        self._events = VisionEvents(server, system, index)
        await self._events.build()
        await self._build_states(nodes, system)
        await Recipes(self._settings, self._link, self._values).build(nodes, system)
        await Configurations(self._values).build(nodes, system)
        await self._results.build(nodes, system)

    async def tell(self, state: LineState) -> None:
        """Show what the line says of itself."""
        async with self._changing:
            before, self._state = self._state, state
            if state.fault is not FaultCode.NONE:
                self._job = None
            await self._states.follow(state, self._job)
            if state.model_number not in (0, before.model_number):
                recipe = self._values.recipe(state.model_number)
                message = f"model {state.model_number} is active"
                await self._events.emit(VisionType.RECIPE_PREPARED_EVENT, message, {"InternalId": (recipe, _STRUCTURE)})

    async def deliver(self, entry: Entry, result: PartResult) -> None:
        """Tell clients of a result."""
        async with self._changing:
            job = self._job if self._job is not None and self._job.seq in (None, result.seq) else None
            fields = self._results.add(entry, result, job)
            sent = {name: (value, _SENT_AS[name]) for name, value in fields.items() if value is not None}
            await self._events.emit(VisionType.RESULT_READY_EVENT, f"part {result.part_id}", sent)
            if job is not None and job.seq is not None:
                await self._end(job)

    async def _build_states(self, nodes: VisionNodes, system: Node) -> None:
        machine = await system.get_child(f"{nodes.index}:VisionStateMachine")
        await nodes.add_method(machine, VisionType.STATE_MACHINE, "SelectModeAutomatic")
        automatic = await nodes.add(machine, "AutomaticModeStateMachine", VisionType.AUTOMATIC_MODE)
        self._states = VisionStates(
            await StateMachine.of(nodes, machine, VisionType.STATE_MACHINE, self._events),
            await StateMachine.of(nodes, automatic, VisionType.AUTOMATIC_MODE, self._events),
        )
        await self._states.follow(self._state, None)
        await nodes.offer(machine, "Halt", self._halt)
        await nodes.offer(machine, "Reset", self._reset)
        await nodes.offer(machine, "SelectModeAutomatic", self._select_mode_automatic)
        await nodes.offer(automatic, "StartSingleJob", self._start_single_job)
        await nodes.offer(automatic, "StartContinuous", self._start_continuous)
        await nodes.offer(automatic, "Stop", self._stop)
        await nodes.offer(automatic, "Abort", self._abort)

    async def _halt(self, person: OpcUaUser, *_: Any) -> Sequence[Any]:
        await self._link.ask("halt", who=person.name)
        return (DONE,)

    async def _reset(self, person: OpcUaUser, *_: Any) -> Sequence[Any]:
        await self._link.ask("resume", who=person.name)
        async with self._changing:
            self._job = None
            await self._states.reset()
            await self._states.follow(self._state, None)
        return (DONE,)

    async def _select_mode_automatic(self, _: OpcUaUser) -> Sequence[Any]:
        # There is no other mode: the line goes to it by itself as soon as it can.
        if self._states.system.name != SystemState.PREOPERATIONAL:
            raise ServiceError(ua.StatusCodes.BadInvalidState)
        return (DONE,)

    async def _start_single_job(self, _: OpcUaUser, meas: Any, part: Any, recipe: Any, *__: Any) -> Sequence[Any]:
        async with self._changing:
            self._check_in(AutomaticState.READY)
            if not self._is_active(recipe):
                return self._values.job_id(""), REFUSED
            said = await self._trigger(identifier(part))
            return await self._begin(VisionJob(str(said["seq"]), said["seq"], meas))

    async def _start_continuous(self, _: OpcUaUser, meas: Any, __: Any, recipe: Any, *___: Any) -> Sequence[Any]:
        async with self._changing:
            self._check_in(AutomaticState.READY)
            if not self._is_active(recipe):
                return self._values.job_id(""), REFUSED
            return await self._begin(VisionJob(str(uuid.uuid4()), None, meas))

    async def _stop(self, *_: Any) -> Sequence[Any]:
        return await self._break_off("Stop")

    async def _abort(self, *_: Any) -> Sequence[Any]:
        return await self._break_off("Abort")

    async def _break_off(self, cause: str) -> Sequence[Any]:
        async with self._changing:
            self._check_in(AutomaticState.SINGLE_EXECUTION, AutomaticState.CONTINUOUS_EXECUTION)
            if self._job is not None:
                await self._end(self._job, cause)
        return (DONE,)

    async def _begin(self, job: VisionJob) -> Sequence[Any]:
        self._job = job
        await self._states.follow(self._state, job, cause="")
        await self._events.emit(VisionType.JOB_STARTED_EVENT, f"job {job.id} started", self._job_field(job))
        return self._values.job_id(job.id), DONE

    async def _end(self, job: VisionJob, cause: str = "Auto") -> None:
        self._job = None
        await self._states.follow(self._state, None, cause)
        if self._states.automatic.name == AutomaticState.READY:
            await self._events.emit(VisionType.READY_EVENT, f"job {job.id} ended", self._job_field(job))

    async def _trigger(self, part_id: str) -> dict[str, Any]:
        try:
            async with asyncio.timeout(TRIGGERED_WITHIN_S):
                return await (self._link.ask("trigger", part_id=part_id) if part_id else self._link.ask("trigger"))
        except TimeoutError:
            raise RgbxError("the line's inference does not answer: look at its log.") from None

    def _check_in(self, *states: AutomaticState) -> None:
        if self._states.automatic.name not in states:
            raise ServiceError(ua.StatusCodes.BadInvalidState)

    def _is_active(self, recipe: Any) -> bool:
        """Return whether a client asks for the model that is active, or for none."""
        return identifier(recipe) in ("", str(self._state.model_number))

    def _job_field(self, job: VisionJob) -> dict[str, Field]:
        return {"JobId": (self._values.job_id(job.id), _STRUCTURE)}
