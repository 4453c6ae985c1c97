"""The vision system's results: the last ones at hand, all others in the log."""

import asyncio
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asyncua.common.node import Node

from rgbx_line.channel import Link
from rgbx_line.contract import PartResult
from rgbx_line.gateway.opcua.access import OpcUaUser
from rgbx_line.gateway.opcua.vision_nodes import VisionNodes
from rgbx_line.gateway.opcua.vision_types import (
    DONE,
    NO_HANDLE,
    REFUSED,
    ResultState,
    VisionJob,
    VisionType,
    VisionValues,
    identifier,
)
from rgbx_line.log import Entry, Position, read_entries
from rgbx_line.log.segments import segment_numbers

AT_HAND = 1000
"""Results that lists are made from; by its id any is found that the log still holds."""
_COMPONENTS = (
    "IsPartial",
    "IsSimulated",
    "ResultState",
    "MeasId",
    "PartId",
    "ExternalRecipeId",
    "InternalRecipeId",
    "ProductId",
    "ExternalConfigurationId",
    "InternalConfigurationId",
    "JobId",
    "CreationTime",
    "ProcessingTimes",
    "ResultContent",
)
"""What ``GetResultComponentsById`` returns, between two before and one behind."""


class Results:
    """The object ``ResultManagement``; a result's id is its number in the line's log.

    Args:
        log: its folder.
        link: to inference, which says how far it may be read.
        values: what makes the results' fields.
    """

    def __init__(self, log: Path, link: Link, values: VisionValues) -> None:
        self._log = log
        self._link = link
        self._values = values
        self._at_hand: OrderedDict[str, dict[str, Any]] = OrderedDict()

    async def build(self, nodes: VisionNodes, system: Node) -> None:
        """Add the object."""
        results = await nodes.add(system, "ResultManagement", VisionType.RESULT_MANAGEMENT)
        await nodes.add_method(results, VisionType.RESULT_MANAGEMENT, "ReleaseResultHandle")
        await nodes.offer(results, "GetResultById", self._get, None)
        await nodes.offer(results, "GetResultComponentsById", self._get_components, None)
        await nodes.offer(results, "GetResultListFiltered", self._list, None)
        await nodes.offer(results, "ReleaseResultHandle", self._release, None)

    def add(self, entry: Entry, result: PartResult, job: VisionJob | None) -> dict[str, Any]:
        """Keep a result at hand; return its fields."""
        fields = self._at_hand[str(entry.number)] = self._values.result(entry, result, job)
        while len(self._at_hand) > AT_HAND:
            self._at_hand.popitem(last=False)
        return fields

    async def _get(self, _: OpcUaUser, result_id: Any, *__: Any) -> Sequence[Any]:
        fields = await self._find(identifier(result_id))
        made = self._values.make(VisionType.RESULT, **(fields or self._values.no_result()))
        return NO_HANDLE, made, DONE if fields else REFUSED

    async def _get_components(self, _: OpcUaUser, result_id: Any, *__: Any) -> Sequence[Any]:
        fields = await self._find(identifier(result_id))
        shown = fields or self._values.no_result()
        parts = [shown.get(name) for name in _COMPONENTS]
        return False, NO_HANDLE, *parts, DONE if fields else REFUSED

    async def _list(
        self,
        _: OpcUaUser,
        state: int,
        meas: Any,
        part: Any,
        external_recipe: Any,
        recipe: Any,
        external_configuration: Any,
        configuration: Any,
        product: Any,
        job: Any,
        most: int,
        start: int,
        *__: Any,
    ) -> Sequence[Any]:
        wanted = {
            name: identifier(value)
            for name, value in {
                "MeasId": meas,
                "PartId": part,
                "ExternalRecipeId": external_recipe,
                "InternalRecipeId": recipe,
                "ExternalConfigurationId": external_configuration,
                "InternalConfigurationId": configuration,
                "ProductId": product,
                "JobId": job,
            }.items()
            if identifier(value)
        }
        found = [
            fields
            for fields in reversed(self._at_hand.values())
            if state in (ResultState.UNDEFINED, fields["ResultState"])
            and all(identifier(fields.get(name)) == text for name, text in wanted.items())
        ]
        page = found[start : start + most] if most else found[start:]
        listed = [self._values.make(VisionType.RESULT, **fields) for fields in page]
        return start + len(page) >= len(found), len(page), NO_HANDLE, listed, DONE

    async def _release(self, *_: Any) -> Sequence[Any]:
        return (DONE,)

    async def _find(self, result_id: str) -> dict[str, Any] | None:
        if result_id in self._at_hand:
            return self._at_hand[result_id]
        if not (result_id.isascii() and result_id.isdecimal()) or int(result_id) > self._link.state.announced:
            return None
        return await asyncio.to_thread(self._find_in_log, int(result_id))

    def _find_in_log(self, number: int) -> dict[str, Any] | None:
        """Return a result's fields; the job that it belonged to is known only of those at hand."""
        firsts = segment_numbers(self._log)
        place = bisect_right(firsts, number)
        if place == 0:
            return None  # it was deleted for its age
        for entry, _ in read_entries(self._log, Position(firsts[place - 1]), number):
            if entry.number == number and entry.kind == "result":
                return self._values.result(entry, PartResult.model_validate(entry.content), None)
        return None
