"""Events of the vision system."""

import uuid
from datetime import UTC, datetime
from typing import Any

from asyncua import Server, ua
from asyncua.common.event_objects import BaseEvent
from asyncua.common.node import Node

from rgbx_line.gateway.opcua.ids import node_id
from rgbx_line.gateway.opcua.vision_types import VisionType

Field = tuple[Any, ua.VariantType]
"""A value, and how it is sent."""


class VisionEvents:
    """What tells clients of something; they hear it who watch the object ``Server`` or the vision system.

    Args:
        server: that clients are connected to.
        source: the vision system.
        index: number of the nodeset's namespace.
    """

    def __init__(self, server: Server, source: Node, index: int) -> None:
        self._server = server
        self._source = source
        self._index = index

    async def build(self) -> None:
        """Let clients watch the vision system."""
        await self._source.set_event_notifier([ua.EventNotifier.SubscribeToEvents])
        await self._server.nodes.server.add_reference(self._source, ua.ObjectIds.HasNotifier)

    async def emit(self, kind: VisionType, message: str, fields: dict[str, Field], severity: int = 100) -> None:
        """Tell of something.

        Args:
            kind: type of the event.
            message: for people.
            fields: those that the type adds to every event's.
            severity: 1 to 1000.
        """
        event = BaseEvent(self._source.nodeid, message, severity)
        event.EventType = node_id(kind, self._index)  # type: ignore[attr-defined]
        event.EventId = uuid.uuid4().bytes  # type: ignore[attr-defined]
        event.SourceName = "VisionSystem"  # type: ignore[attr-defined]
        event.Time = event.ReceiveTime = datetime.now(UTC)  # type: ignore[attr-defined]
        for name, (value, sent_as) in fields.items():
            event.add_property(name, value, sent_as)
        for emitting in (node_id(ua.ObjectIds.Server), self._source.nodeid):
            event.emitting_node = emitting
            await self._server.iserver.subscription_service.trigger_event(event)
