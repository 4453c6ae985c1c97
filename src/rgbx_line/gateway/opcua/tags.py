"""The contract's scalars as OPC UA variables, for controllers that cannot resolve structures."""

from collections.abc import Iterable
from datetime import UTC

import structlog
from asyncua import Server, ua
from asyncua.common.node import Node

from rgbx.errors import RgbxError
from rgbx_line.channel import Link
from rgbx_line.contract import PlcTags
from rgbx_line.gateway.opcua.access import caller
from rgbx_line.gateway.opcua.ids import node_id, status
from rgbx_line.users import Role

_log = structlog.get_logger(__name__)

NAMESPACE = "urn:rgbx:line"
TAG_TYPES: dict[str, ua.VariantType] = {
    "Ready": ua.VariantType.Boolean,
    "Busy": ua.VariantType.Boolean,
    "Heartbeat": ua.VariantType.UInt16,
    "PartSeq": ua.VariantType.Int32,
    "PartId": ua.VariantType.String,
    "BinCode": ua.VariantType.UInt16,
    "ReasonCode": ua.VariantType.UInt16,
    "ModelNumber": ua.VariantType.UInt16,
    "Fault": ua.VariantType.UInt16,
    "ResultValid": ua.VariantType.Boolean,
}
"""Of :class:`~rgbx_line.contract.PlcTags`, in the order in which they are written: ``ResultValid`` after all that it
stands for."""


class FlatTags:
    """The object ``Line``: a variable for each tag, and the method ``Trigger``.

    Node ids are ``s=Line.NAME`` in the namespace :data:`NAMESPACE`, now and in later versions.
    """

    def __init__(self, server: Server, link: Link) -> None:
        self._server = server
        self._link = link
        self._nodes: dict[str, ua.NodeId] = {}
        self._written: dict[str, bool | int | str] = {}

    async def build(self, tags: PlcTags) -> None:
        """Add the object to the server, with these values."""
        index = await self._server.register_namespace(NAMESPACE)
        line = await self._server.nodes.objects.add_object(node_id("Line", index), ua.QualifiedName("Line", index))
        values = tags.model_dump()
        for name, kind in TAG_TYPES.items():
            place = node_id(f"Line.{name}", index)
            node: Node = await line.add_variable(place, ua.QualifiedName(name, index), values[name], kind)
            self._nodes[name] = node.nodeid
        self._written = values
        await line.add_method(
            node_id("Line.Trigger", index),
            ua.QualifiedName("Trigger", index),
            self._trigger,
            _arguments("PartId", ua.ObjectIds.String, "Of the part that comes; empty lets the line choose one."),
            _arguments("PartSeq", ua.ObjectIds.Int32, "Number that the part's answer will have."),
        )

    async def show(self, tags: PlcTags) -> None:
        """Write the tags that have changed, ``ResultValid`` last."""
        values = tags.model_dump()
        now = ua.DateTime.now(UTC)
        for name, kind in TAG_TYPES.items():
            if values[name] != self._written[name]:
                value = ua.DataValue(ua.Variant(values[name], kind), SourceTimestamp=now)
                await self._server.write_attribute_value(self._nodes[name], value)
        self._written = values

    async def _trigger(self, _: ua.NodeId, part_id: ua.Variant) -> ua.StatusCode | list[ua.Variant]:
        person = caller.get()
        if not person.may(Role.OPERATOR):
            return status(ua.StatusCodes.BadUserAccessDenied)
        if part_id.VariantType != ua.VariantType.String:
            return status(ua.StatusCodes.BadTypeMismatch)
        asked = {"part_id": part_id.Value} if part_id.Value else {}
        try:
            said = await self._link.ask("trigger", **asked)
        except RgbxError as error:
            _log.warning("trigger refused", user=person.name, error=str(error))
            return status(ua.StatusCodes.BadInvalidState)
        return [ua.Variant(said["seq"], ua.VariantType.Int32)]


def _arguments(name: str, kind: int, text: str) -> Iterable[ua.Argument]:
    argument = ua.Argument(Name=name, DataType=node_id(kind), ValueRank=-1, Description=ua.LocalizedText(text))
    return [argument]
