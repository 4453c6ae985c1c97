"""The state machines of the vision system: they show what the line says of itself."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Self

from asyncua import Server, ua
from asyncua.common.node import Node

from rgbx_line.contract import FaultCode, LineState
from rgbx_line.gateway.opcua.ids import status
from rgbx_line.gateway.opcua.vision_events import Field, VisionEvents
from rgbx_line.gateway.opcua.vision_nodes import VisionNodes
from rgbx_line.gateway.opcua.vision_types import VisionJob, VisionType


class SystemState(StrEnum):
    """States of the system, by their names in the nodeset."""

    PREOPERATIONAL = "Preoperational"
    HALTED = "Halted"
    ERROR = "Error"
    OPERATIONAL = "Operational"


class AutomaticState(StrEnum):
    """States of the automatic mode, by their names in the nodeset."""

    INITIALIZED = "Initialized"
    READY = "Ready"
    SINGLE_EXECUTION = "SingleExecution"
    CONTINUOUS_EXECUTION = "ContinuousExecution"


def system_state(state: LineState) -> SystemState:
    """Return the state that the system is in."""
    match state.fault:
        case FaultCode.NONE:
            return SystemState.OPERATIONAL
        case FaultCode.STARTING:
            return SystemState.PREOPERATIONAL
        case FaultCode.HALTED:
            return SystemState.HALTED
        case _:
            return SystemState.ERROR


def automatic_state(state: LineState, job: VisionJob | None) -> AutomaticState | None:
    """Return the state that the automatic mode is in; None while the system is not operational."""
    if state.fault is not FaultCode.NONE:
        return None
    if job is not None:
        return AutomaticState.SINGLE_EXECUTION if job.seq is not None else AutomaticState.CONTINUOUS_EXECUTION
    return AutomaticState.READY if state.ready else AutomaticState.INITIALIZED


class StateMachine:
    """A state machine as clients see it; at first it is in no state.

    Args:
        server: that it is in.
        events: what tells of a change.
        parts: ids of the states and transitions, by their names.
        current: id of the variable that says which state it is in.
        current_id: id of the variable that says it by the state's id.
    """

    def __init__(
        self,
        server: Server,
        events: VisionEvents,
        parts: Mapping[str, ua.NodeId],
        current: ua.NodeId,
        current_id: ua.NodeId,
    ) -> None:
        self.name: str | None = None
        """Of the state that it is in; None of a machine that is not active."""
        self._server = server
        self._events = events
        self._parts = parts
        self._current = current
        self._current_id = current_id

    @classmethod
    async def of(cls, nodes: VisionNodes, machine: Node, kind: VisionType, events: VisionEvents) -> Self:
        """Return the state machine that an object of a type is."""
        declared = nodes.server.get_node(nodes.type_id(kind))
        parts = {child.BrowseName.Name: child.NodeId for child in await declared.get_children_descriptions()}
        current = await machine.get_child("0:CurrentState")
        made = cls(nodes.server, events, parts, current.nodeid, (await current.get_child("0:Id")).nodeid)
        await made._show()
        return made

    async def go(self, name: str | None, cause: str = "Auto") -> None:
        """Go to a state, and tell of it.

        Args:
            name: of the state; None where it is not active any more.
            cause: as :meth:`VisionStates.follow` has it.
        """
        if name == self.name:
            return
        before, self.name = self.name, name
        await self._show()
        if before is not None and name is not None:
            await self._tell(before, name, cause)

    async def _tell(self, before: str, name: str, cause: str) -> None:
        names = [f"{before}To{name}{ending}" for ending in (cause, "Auto", "")]
        transition = next(one for one in names if one in self._parts)
        kind = VisionType.STATE_CHANGED_EVENT
        if name == SystemState.ERROR:
            kind = VisionType.ERROR_EVENT
        elif before == SystemState.ERROR:
            kind = VisionType.ERROR_RESOLVED_EVENT
        fields: dict[str, Field] = {}
        for field, value in {"Transition": transition, "FromState": before, "ToState": name}.items():
            fields[field] = ua.LocalizedText(value), ua.VariantType.LocalizedText
            fields[f"{field}/Id"] = self._parts[value], ua.VariantType.NodeId
        await self._events.emit(kind, f"{before} to {name}", fields, 600 if name == SystemState.ERROR else 100)

    async def _show(self) -> None:
        if self.name is None:
            text = state = ua.DataValue(StatusCode=status(ua.StatusCodes.BadStateNotActive))
        else:
            text = ua.DataValue(ua.Variant(ua.LocalizedText(self.name)))
            state = ua.DataValue(ua.Variant(self._parts[self.name], ua.VariantType.NodeId))
        await self._server.write_attribute_value(self._current_id, state)
        await self._server.write_attribute_value(self._current, text)


class VisionStates:
    """Both state machines.

    Args:
        system: the vision system's.
        automatic: of its automatic mode, the only one that there is.
    """

    def __init__(self, system: StateMachine, automatic: StateMachine) -> None:
        self.system = system
        self.automatic = automatic

    async def follow(self, state: LineState, job: VisionJob | None, cause: str = "Auto") -> None:
        """Go where the line is, by the transitions that there are.

        Args:
            state: of the line.
            job: that runs.
            cause: what the names of transitions end in: ``Auto`` of those that nobody asked for, ``Stop``, ``Abort``,
                or nothing.
        """
        system, automatic = system_state(state), automatic_state(state, job)
        if automatic is None:
            await self.automatic.go(None)
        if self.system.name == SystemState.HALTED and system != SystemState.HALTED:
            await self.system.go(SystemState.PREOPERATIONAL, cause)
        await self.system.go(system, cause)
        if self.automatic.name not in (None, AutomaticState.READY, automatic):
            await self.automatic.go(AutomaticState.READY, cause)
        await self.automatic.go(automatic, cause)

    async def reset(self) -> None:
        """Go back to the beginning, from any state."""
        await self.automatic.go(None)
        await self.system.go(SystemState.PREOPERATIONAL, cause="")
