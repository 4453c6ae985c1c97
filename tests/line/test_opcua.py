"""The contract over OPC UA, as a controller's client sees it."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua
from asyncua.common.node import Node

from fake_inference import part_result
from opcua_line import ServedLine, make_certificate, run, served_line, until
from rgbx_line.channel import Link
from rgbx_line.contract import FaultCode, PlcTags
from rgbx_line.gateway.opcua.certificates import trust
from rgbx_line.gateway.opcua.server import OpcUaFace
from rgbx_line.gateway.opcua.tags import NAMESPACE
from rgbx_line.settings import LineSettings, OpcUaServer

TYPES = {
    "Ready": ua.VariantType.Boolean,
    "Busy": ua.VariantType.Boolean,
    "Heartbeat": ua.VariantType.UInt16,
    "PartSeq": ua.VariantType.Int32,
    "PartId": ua.VariantType.String,
    "ResultValid": ua.VariantType.Boolean,
    "BinCode": ua.VariantType.UInt16,
    "ReasonCode": ua.VariantType.UInt16,
    "ModelNumber": ua.VariantType.UInt16,
    "Fault": ua.VariantType.UInt16,
}


@pytest.fixture(scope="module")
def served() -> Iterator[ServedLine]:
    with served_line() as line:
        yield line


@pytest.fixture
def line(served: ServedLine) -> ServedLine:
    served.reset()
    return served


async def tag(client: Client, name: str) -> Node:
    return client.get_node(ua.NodeId(f"Line.{name}", await client.get_namespace_index(NAMESPACE)))


async def tags(client: Client) -> PlcTags:
    nodes = [await tag(client, name) for name in TYPES]
    return PlcTags(**dict(zip(TYPES, await client.read_values(nodes), strict=True)))


class Watcher:
    """Takes down what changed."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] = []

    def datachange_notification(self, node: Node, value: Any, _: Any) -> None:
        self.seen.append((str(node.nodeid.Identifier), value))


def test_all_tags_are_there_by_name_and_type(line: ServedLine) -> None:
    async def test() -> None:
        async with line.client() as client:
            index = await client.get_namespace_index(NAMESPACE)
            folder = await client.nodes.objects.get_child(f"{index}:Line")
            variables = {(await node.read_browse_name()).Name: node for node in await folder.get_variables()}
            assert {name: await node.read_data_type_as_variant_type() for name, node in variables.items()} == TYPES
            assert set(TYPES) == set(PlcTags.model_fields)
            for node in variables.values():
                assert await node.read_attribute(ua.AttributeIds.UserAccessLevel) == await node.read_attribute(
                    ua.AttributeIds.AccessLevel
                )
                assert await node.get_user_access_level() == {ua.AccessLevel.CurrentRead}

    run(test())


def test_states_and_results_are_shown(line: ServedLine) -> None:
    async def test() -> None:
        async with line.client() as client:

            async def shows(**expected: Any) -> bool:
                return expected.items() <= (await tags(client)).model_dump().items()

            await until(lambda: shows(Ready=True, Busy=False, ModelNumber=3, Fault=0))
            valid = (await tags(client)).ResultValid
            line.answer(7)
            expected = part_result(7)
            await until(lambda: shows(PartSeq=7, PartId="P7", BinCode=expected.bin_code, ReasonCode=0))
            assert (await tags(client)).ResultValid is not valid
            line.do(line.inference.tell, ready=False, busy=True, fault=FaultCode.LOG)
            await until(lambda: shows(Ready=False, Busy=True, Fault=FaultCode.LOG, PartSeq=7))

    run(test())


def test_all_of_a_result_is_there_when_result_valid_changes(line: ServedLine) -> None:
    async def test() -> None:
        async with line.client() as client:
            watcher = Watcher()
            subscription = await client.create_subscription(10, watcher)
            for name in ("ResultValid", "BinCode", "PartSeq", "PartId"):
                await subscription.subscribe_data_change(await tag(client, name), queuesize=100)
            await until(lambda: _as(len(watcher.seen) >= 4))
            for seq in range(100, 120):
                watcher.seen.clear()
                line.answer(seq)
                await until(lambda: _as(any(name == "Line.ResultValid" for name, _ in watcher.seen)))
                assert [name for name, _ in watcher.seen] == [
                    "Line.PartSeq",
                    "Line.PartId",
                    "Line.BinCode",
                    "Line.ResultValid",
                ]

    run(test())


def test_the_heartbeat_counts_seconds(line: ServedLine) -> None:
    async def test() -> None:
        async with line.client() as client:
            beat = await tag(client, "Heartbeat")
            first, began = await beat.read_value(), time.monotonic()
            await asyncio.sleep(2.2)
            assert abs((await beat.read_value() - first) - (time.monotonic() - began)) <= 1

    run(test())


def test_an_operator_triggers_a_part(line: ServedLine) -> None:
    async def test() -> None:
        paths = make_certificate(line.folder.folder, "controller")
        trust(line.folder, paths[0])
        async with await line.encrypted(paths, "olga") as client:
            method = await tag(client, "Trigger")
            folder = await method.get_parent()
            assert await folder.call_method(method, "A-17") == 70_001
            assert await folder.call_method(method, "") == 70_002
            assert line.inference.asked == [("trigger", {"part_id": "A-17"}), ("trigger", {})]
            with pytest.raises(ua.uaerrors.BadTypeMismatch):
                await folder.call_method(method, 17)
            line.inference.refuses = True
            with pytest.raises(ua.uaerrors.BadInvalidState):
                await folder.call_method(method, "A-18")

    run(test())


def test_a_line_without_a_nodeset_has_no_vision_system(line: ServedLine) -> None:
    async def test() -> None:
        async with line.client() as client:
            names = [(await node.read_browse_name()).Name for node in await client.nodes.objects.get_children()]
            assert "Line" in names and "VisionSystem" not in names

    run(test())


def test_a_port_that_is_taken_is_an_error(line: ServedLine) -> None:
    async def test() -> None:
        link = Link(line.folder.socket)
        port = int(line.face.endpoint.rsplit(":", 1)[1].split("/")[0])
        settings = LineSettings(
            folder=line.folder.folder, bundle=Path("m"), bins={"a": 1}, opcua=OpcUaServer(port=port)
        )
        face = OpcUaFace(settings, line.folder, link)
        with pytest.raises(OSError, match="in use"):
            await face.start()
        await face.stop()

    run(test())


async def _as(value: bool) -> bool:
    return value
