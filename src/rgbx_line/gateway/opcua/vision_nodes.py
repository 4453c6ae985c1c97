"""The objects and methods of the vision system in the server's address space."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from asyncua import Server, ua
from asyncua.common.instantiate_util import instantiate
from asyncua.common.node import Node
from asyncua.common.ua_utils import data_type_to_variant_type
from asyncua.common.utils import ServiceError

from rgbx.errors import RgbxError
from rgbx_line.gateway.opcua.access import OpcUaUser, caller
from rgbx_line.gateway.opcua.ids import node_id, status
from rgbx_line.gateway.opcua.vision_types import VisionType
from rgbx_line.users import Role

_log = structlog.get_logger(__name__)

Work = Callable[..., Awaitable[Sequence[Any]]]
"""What a method does: takes who calls it and the values of its inputs, returns those of its outputs. A ``ServiceError``
or :class:`~rgbx.errors.RgbxError` is a bad status for the caller."""


class VisionNodes:
    """Adds nodes of the nodeset's types.

    Args:
        server: that they are added to.
        index: number of the nodeset's namespace.
        own: number of the line's namespace, which the nodes' ids are of.
    """

    def __init__(self, server: Server, index: int, own: int) -> None:
        self.server = server
        self.index = index
        self.own = own

    def type_id(self, kind: VisionType) -> ua.NodeId:
        """Return the id of a type."""
        return node_id(kind, self.index)

    async def add_system(self) -> Node:
        """Add the vision system, with what it must have."""
        name = ua.QualifiedName("VisionSystem", self.own)
        system: Node = await self.server.nodes.objects.add_object(
            node_id("VisionSystem", self.own), name, self.type_id(VisionType.VISION_SYSTEM), False
        )
        return system

    async def add(self, parent: Node, name: str, kind: VisionType) -> Node:
        """Add an object that its parent may have, with what it must have itself."""
        place = self._below(parent, name)
        added: Node = await parent.add_object(place, ua.QualifiedName(name, self.index), self.type_id(kind), False)
        return added

    async def add_method(self, parent: Node, kind: VisionType, name: str) -> None:
        """Add a method that its parent, of that type, may have."""
        declared = await self.server.get_node(self.type_id(kind)).get_child(f"{self.index}:{name}")
        place = self._below(parent, name)
        await instantiate(parent, declared, place, ua.QualifiedName(name, self.index))

    def _below(self, parent: Node, name: str) -> ua.NodeId:
        """Return the id of a node below another, as the library makes those of what is added with it."""
        return node_id(".".join((str(parent.nodeid.Identifier), name)), self.own)

    async def offer(self, parent: Node, name: str, work: Work, needed: Role | None = Role.OPERATOR) -> None:
        """Let clients call a method.

        Args:
            parent: what it is a method of.
            name: of the method.
            work: what it does.
            needed: who may call it; None for everybody who may read.
        """
        method = await parent.get_child(f"{self.index}:{name}")
        inputs = 0
        sent_as: list[ua.VariantType] = []
        for argument in await method.get_children():
            declared = await argument.read_value()
            if (await argument.read_browse_name()).Name == "InputArguments":
                inputs = len(declared)
            else:
                sent_as = [await data_type_to_variant_type(self.server.get_node(one.DataType)) for one in declared]

        async def call(_: ua.NodeId, *arguments: ua.Variant) -> ua.StatusCode | list[ua.Variant]:
            person: OpcUaUser = caller.get()
            if needed is not None and not person.may(needed):
                return status(ua.StatusCodes.BadUserAccessDenied)
            if len(arguments) != inputs:
                return status(ua.StatusCodes.BadArgumentsMissing)
            try:
                outputs = await work(person, *(argument.Value for argument in arguments))
            except ServiceError as error:
                return status(error.code)
            except RgbxError as error:
                _log.warning("method refused", method=name, user=person.name, error=str(error))
                return status(ua.StatusCodes.BadInvalidState)
            return [ua.Variant(value, kind) for value, kind in zip(outputs, sent_as, strict=True)]

        self.server.link_method(method, call)
