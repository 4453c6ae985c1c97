"""The line as a vision system of OPC 40100-1, as another maker's client sees it.

The nodeset is not in the repository: the environment variable ``RGBX_NODESETS`` names the folder that holds it, such as
``node_modules/node-opcua-nodesets/nodesets``. Where npm's ``node-opcua-client`` is installed beside it, that one runs a
job too.
"""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, Server, ua
from asyncua.common.events import Event
from asyncua.common.node import Node
from cryptography.hazmat.primitives.serialization import Encoding

from opcua_line import MODELS, PASSWORD, ServedLine, make_certificate, run, served_line, until
from rgbx.errors import InputError
from rgbx_line.contract import FaultCode, LineState
from rgbx_line.gateway.opcua import vision_results
from rgbx_line.gateway.opcua.certificates import read_certificate, trust
from rgbx_line.gateway.opcua.tags import NAMESPACE
from rgbx_line.gateway.opcua.vision_states import automatic_state, system_state
from rgbx_line.gateway.opcua.vision_types import MACHINE_VISION, VisionJob, check_nodeset, load_nodeset

NODESETS = Path(os.environ.get("RGBX_NODESETS", "node_modules/node-opcua-nodesets/nodesets")).absolute()
NODESET = NODESETS / "Opc.Ua.MachineVision.NodeSet2.xml"
NODE_MODULES = NODESETS.parents[1]
pytestmark = pytest.mark.skipif(not NODESET.exists(), reason="RGBX_NODESETS names no folder with the nodeset")
RESULT_READY, STATE_CHANGED, JOB_STARTED, READY = 1024, 1018, 1013, 1023


@pytest.fixture(scope="module")
def served() -> Iterator[ServedLine]:
    with served_line(nodeset=NODESET) as line:
        yield line


@pytest.fixture(scope="module")
def paths(served: ServedLine) -> tuple[Path, Path]:
    made = make_certificate(served.folder.folder, "client")
    trust(served.folder, made[0])
    return made


@pytest.fixture
def line(served: ServedLine) -> ServedLine:
    served.reset()
    return served


class VisionClient:
    """A client that knows its way."""

    def __init__(self, client: Client, own: int, index: int) -> None:
        self.client = client
        self.own = own
        self.index = index
        self.system = client.get_node(ua.NodeId("VisionSystem", own))
        self.events: list[Event] = []

    @classmethod
    async def of(cls, client: Client) -> "VisionClient":
        await client.load_data_type_definitions()
        own, index = [await client.get_namespace_index(uri) for uri in (NAMESPACE, MACHINE_VISION)]
        return cls(client, own, index)

    def node(self, path: str) -> Node:
        return self.client.get_node(ua.NodeId(f"VisionSystem.{path}", self.own))

    async def call(self, path: str, *arguments: Any) -> Any:
        method = self.node(path)
        return await self.node(path.rsplit(".", 1)[0]).call_method(method, *arguments)

    async def start(self, name: str, part: str = "", recipe: str = "") -> Any:
        return await self.call(
            f"VisionStateMachine.AutomaticModeStateMachine.{name}",
            ua.MeasIdDataType(Id="measured"),
            ua.PartIdDataType(Id=part),
            ua.RecipeIdExternalDataType(Id=recipe),
            ua.ProductIdDataType(Id=""),
            ua.Variant([], ua.VariantType.Variant, is_array=True),
        )

    async def states(self) -> tuple[str, str | None]:
        outer = await self.node("VisionStateMachine.CurrentState").read_value()
        inner = await self.node("VisionStateMachine.AutomaticModeStateMachine.CurrentState").read_data_value(False)
        return outer.Text, inner.Value.Value.Text if inner.StatusCode.is_good() else None

    async def are(self, *expected: str | None) -> None:
        async def so() -> bool:
            return await self.states() == expected

        await until(so)

    async def watch(self, node: Node | int, *kinds: int) -> None:
        subscription = await self.client.create_subscription(10, self)
        await subscription.subscribe_events(node, [ua.NodeId(kind, self.index) for kind in kinds])

    def event_notification(self, event: Event) -> None:
        self.events.append(event)

    async def heard(self, count: int) -> list[Event]:
        async def enough() -> bool:
            return len(self.events) >= count

        await until(enough)
        heard, self.events = self.events, []
        return heard


def test_the_system_is_of_the_official_type(line: ServedLine) -> None:
    async def test() -> None:
        async with line.client() as client:
            vision = await VisionClient.of(client)
            assert await vision.system.read_type_definition() == ua.NodeId(1003, vision.index)
            names = {(await node.read_browse_name()).Name for node in await vision.system.get_children()}
            assert names == {"VisionStateMachine", "RecipeManagement", "ConfigurationManagement", "ResultManagement"}
            assert await vision.states() == ("Operational", "Ready")
            state = await vision.node("VisionStateMachine.CurrentState.Id").read_value()
            assert state == ua.NodeId(5031, vision.index)

    run(test())


def test_states_follow_the_line(line: ServedLine) -> None:
    async def test() -> None:
        async with line.client() as client:
            vision = await VisionClient.of(client)
            await vision.watch(ua.ObjectIds.Server, STATE_CHANGED, 1019, 1020)
            for changes, expected, transitions in [
                ({"ready": False}, ("Operational", "Initialized"), ["ReadyToInitializedAuto"]),
                ({"fault": FaultCode.LOG}, ("Error", None), ["OperationalToErrorAuto"]),
                ({"fault": FaultCode.HALTED}, ("Halted", None), ["ErrorToHaltedAuto"]),
                (
                    {"fault": FaultCode.NONE, "ready": True},
                    ("Operational", "Ready"),
                    ["HaltedToPreoperationalAuto", "PreoperationalToOperationalAuto"],
                ),
                ({"fault": FaultCode.STARTING}, ("Preoperational", None), ["OperationalToPreoperationalAuto"]),
            ]:
                line.do(line.inference.tell, **changes)
                await vision.are(*expected)
                heard = await vision.heard(len(transitions))
                assert [event.Transition.Text for event in heard] == transitions

    run(test())


def test_every_result_is_an_event_with_all_that_it_must_have(line: ServedLine) -> None:
    async def test() -> None:
        async with line.client() as client:
            vision = await VisionClient.of(client)
            await vision.watch(vision.system, RESULT_READY)
            number = line.answer(11)
            (event,) = await vision.heard(1)
            assert event.EventType == ua.NodeId(RESULT_READY, vision.index)
            assert event.SourceNode == vision.system.nodeid
            assert (event.ResultId.Id, event.PartId.Id, event.JobId.Id) == (str(number), "P11", "11")
            assert event.InternalRecipeId.Id == "3" and len(event.InternalConfigurationId.Id) == 16
            assert type(event.InternalRecipeId).__name__ == "RecipeIdInternalDataType"
            assert (event.IsPartial, event.IsSimulated, event.ResultState) == (False, False, 1)
            assert event.CreationTime is not None
            content = json.loads(event.ResultContent[0].Value)
            assert (content["part_id"], content["bin"]) == ("P11", "mixed")

    run(test())


def test_an_operator_runs_a_single_job(line: ServedLine, paths: tuple[Path, Path]) -> None:
    async def test() -> None:
        async with await line.encrypted(paths, "olga") as client:
            vision = await VisionClient.of(client)
            await vision.are("Operational", "Ready")
            await vision.watch(ua.ObjectIds.Server, JOB_STARTED, RESULT_READY, READY)
            job, error = await vision.start("StartSingleJob", part="A-9")
            assert (job.Id, error) == ("70001", 0)
            assert line.inference.asked == [("trigger", {"part_id": "A-9"})]
            assert await vision.states() == ("Operational", "SingleExecution")
            with pytest.raises(ua.uaerrors.BadInvalidState):
                await vision.start("StartSingleJob")
            line.answer(70_001)
            await vision.are("Operational", "Ready")
            started, result, ready = await vision.heard(3)
            assert [one.EventType.Identifier for one in (started, result, ready)] == [JOB_STARTED, RESULT_READY, READY]
            assert {started.JobId.Id, result.JobId.Id, ready.JobId.Id} == {"70001"}
            assert result.MeasId.Id == "measured"

    run(test())


@pytest.mark.parametrize("ending", ["Stop", "Abort"])
def test_parts_of_a_continuous_job_have_its_id(line: ServedLine, paths: tuple[Path, Path], ending: str) -> None:
    async def test() -> None:
        async with await line.encrypted(paths, "olga") as client:
            vision = await VisionClient.of(client)
            await vision.are("Operational", "Ready")
            await vision.watch(ua.ObjectIds.Server, RESULT_READY)
            job, error = await vision.start("StartContinuous", recipe="3")
            assert error == 0 and line.inference.asked == []
            assert await vision.states() == ("Operational", "ContinuousExecution")
            for seq in (21, 22):
                line.answer(seq)
            assert [event.JobId.Id for event in await vision.heard(2)] == [job.Id] * 2
            assert await vision.call(f"VisionStateMachine.AutomaticModeStateMachine.{ending}", 0, "") == 0
            assert await vision.states() == ("Operational", "Ready")
            line.answer(23)
            assert [event.JobId.Id for event in await vision.heard(1)] == ["23"]
            assert (await vision.start("StartSingleJob", recipe="7"))[1] == -1

    run(test())


def test_an_operator_halts_and_resets(line: ServedLine, paths: tuple[Path, Path]) -> None:
    async def test() -> None:
        async with await line.encrypted(paths, "olga") as client:
            vision = await VisionClient.of(client)
            assert await vision.call("VisionStateMachine.Halt", 0, "lunch") == 0
            await vision.are("Halted", None)
            with pytest.raises(ua.uaerrors.BadInvalidState):
                await vision.call("VisionStateMachine.SelectModeAutomatic")
            assert await vision.call("VisionStateMachine.Reset", 0, "") == 0
            await vision.are("Operational", "Ready")
            assert line.inference.asked == [("halt", {"who": "olga"}), ("resume", {"who": "olga"})]

    run(test())


def test_recipes_are_models_and_an_engineer_activates_them(line: ServedLine, paths: tuple[Path, Path]) -> None:
    async def test() -> None:
        async with await line.encrypted(paths, "emil") as client:
            vision = await VisionClient.of(client)
            none = ua.RecipeIdExternalDataType(Id="")
            listed = "RecipeManagement.GetRecipeListFiltered"
            any_product = ua.ProductIdDataType(Id="")
            for value, numbers in [(2, ["2", "3"]), (1, ["3"]), (0, ["2"])]:
                prepared = ua.Variant(value, ua.VariantType.Int32)
                answer = await vision.call(listed, none, any_product, prepared, *unsigned(0, 0), 0)
                assert [recipe.Id for recipe in answer[3]] == numbers and answer[0] is True and answer[4] == 0
            assert answer[3][0].Hash == bytes.fromhex(MODELS[0]["sha256"])
            other = ua.RecipeIdInternalDataType(Id="2")
            await vision.call("RecipeManagement.PrepareRecipe", none, other)
            assert ("activate", {"number": 2, "who": "emil"}) in line.inference.asked
            unknown = ua.RecipeIdInternalDataType(Id="9")
            assert (await vision.call("RecipeManagement.PrepareRecipe", none, unknown))[2] == -1
            with pytest.raises(ua.uaerrors.BadNotSupported):
                await vision.call("RecipeManagement.UnprepareRecipe", none, other)

    run(test())


def test_there_is_one_configuration(line: ServedLine) -> None:
    async def test() -> None:
        async with line.client() as client:
            vision = await VisionClient.of(client)
            active = await vision.node("ConfigurationManagement.ActiveConfiguration").read_value()
            answer = await vision.call("ConfigurationManagement.GetConfigurationList", *unsigned(0, 0), 0)
            assert [one.InternalId.Id for one in answer[3]] == [active.InternalId.Id]
            _, found, error = await vision.call("ConfigurationManagement.GetConfigurationById", active.InternalId, 0)
            assert (found.InternalId.Id, error) == (active.InternalId.Id, 0)

    run(test())


def test_results_are_found_by_id_also_those_only_in_the_log(line: ServedLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vision_results, "AT_HAND", 2)

    async def test() -> None:
        async with line.client() as client:
            vision = await VisionClient.of(client)
            numbers = [line.answer(seq) for seq in range(300, 340)]  # several segments
            await until(lambda: _has(vision, str(numbers[-1])))
            for number, seq in [(numbers[0], 300), (numbers[20], 320), (numbers[39], 339)]:
                _, result, error = await vision.call(
                    "ResultManagement.GetResultById", ua.ResultIdDataType(Id=str(number)), 0
                )
                assert (error, result.ResultId.Id, result.PartId.Id) == (0, str(number), f"P{seq}")
            for unknown in ("0", "999999", "x", ""):
                _, result, error = await vision.call(
                    "ResultManagement.GetResultById", ua.ResultIdDataType(Id=unknown), 0
                )
                assert (error, result.ResultState) == (-1, 0)
            parts = await vision.call(
                "ResultManagement.GetResultComponentsById", ua.ResultIdDataType(Id=str(numbers[0])), 0
            )
            assert (parts[0], parts[4], parts[6].Id, parts[16]) == (False, 1, "P300", 0)

    run(test())


def test_results_are_listed_by_what_they_have(line: ServedLine) -> None:
    async def test() -> None:
        async with line.client() as client:
            vision = await VisionClient.of(client)
            last = [line.answer(seq) for seq in (400, 401, 400)][-1]
            await until(lambda: _has(vision, str(last)))

            async def listed(most: int, start: int, **wanted: Any) -> Any:
                kinds = {
                    "MeasId": ua.MeasIdDataType,
                    "PartId": ua.PartIdDataType,
                    "ExternalRecipeId": ua.RecipeIdExternalDataType,
                    "InternalRecipeId": ua.RecipeIdInternalDataType,
                    "ExternalConfigurationId": ua.ConfigurationIdDataType,
                    "InternalConfigurationId": ua.ConfigurationIdDataType,
                    "ProductId": ua.ProductIdDataType,
                    "JobId": ua.JobIdDataType,
                }
                ids = [kind(Id=wanted.get(name, "")) for name, kind in kinds.items()]
                state = ua.Variant(wanted.get("ResultState", 0), ua.VariantType.Int32)
                return await vision.call(
                    "ResultManagement.GetResultListFiltered", state, *ids, *unsigned(most, start), 0
                )

            complete, count, handle, results, error = await listed(0, 0, PartId="P400")
            assert (complete, count, error) == (True, 2, 0)
            assert [result.JobId.Id for result in results] == ["400", "400"] and results[0].ResultId.Id == str(last)
            assert (await listed(1, 0, PartId="P400"))[:2] == [False, 1]
            assert (await listed(1, 1, PartId="P400"))[:2] == [True, 1]
            assert (await listed(0, 0, JobId="401", InternalRecipeId="3", ResultState=1))[1] == 1
            assert (await listed(0, 0, JobId="401", ResultState=4))[1] == 0
            assert (await listed(0, 0, ProductId="x"))[1] == 0
            assert await vision.call("ResultManagement.ReleaseResultHandle", *unsigned(handle)) == 0

    run(test())


def test_who_gives_no_name_changes_nothing(line: ServedLine) -> None:
    automatic = "VisionStateMachine.AutomaticModeStateMachine"

    async def test() -> None:
        async with line.client() as client:
            vision = await VisionClient.of(client)
            for path in (
                "VisionStateMachine.Halt",
                "VisionStateMachine.Reset",
                "VisionStateMachine.SelectModeAutomatic",
                f"{automatic}.StartSingleJob",
                f"{automatic}.StartContinuous",
                f"{automatic}.Stop",
                f"{automatic}.Abort",
                "RecipeManagement.PrepareRecipe",
                "RecipeManagement.UnprepareRecipe",
                "ConfigurationManagement.ActivateConfiguration",
            ):
                with pytest.raises(ua.uaerrors.BadUserAccessDenied):
                    await vision.call(path)
        assert line.inference.asked == []

    run(test())


def test_an_operator_activates_no_model(line: ServedLine, paths: tuple[Path, Path]) -> None:
    async def test() -> None:
        async with await line.encrypted(paths, "olga") as client:
            vision = await VisionClient.of(client)
            with pytest.raises(ua.uaerrors.BadUserAccessDenied):
                await vision.call("RecipeManagement.PrepareRecipe")

    run(test())


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
@pytest.mark.skipif(not (NODE_MODULES / "node-opcua-client").exists(), reason="npm has no node-opcua-client here")
def test_a_client_of_another_maker_runs_a_job(line: ServedLine, tmp_path: Path) -> None:
    known, stranger = (make_certificate(tmp_path, name) for name in ("known", "stranger"))
    trust(line.folder, known[0])
    given = {
        "endpoint": line.face.endpoint,
        "modules": f"{NODE_MODULES}/",
        "folder": str(tmp_path / "pki"),
        "policy": "Aes256_Sha256_RsaPss",
        "password": PASSWORD,
        "trusted": pem(known),
        "untrusted": pem(stranger),
    }
    command = ["node", str(Path(__file__).parent / "node_client.mjs"), json.dumps(given)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        for text in client.stdout:
            if text == '{"started":"Good"}\n':
                number = line.answer(70_001)
        assert client.wait(30) == 0, client.stderr and client.stderr.read()
    seen = json.loads(text)
    assert "BadUserAccessDenied" in seen["wrong_password"]["refused"]
    assert "BadCertificateUntrusted" in seen["untrusted"]["refused"]
    assert line.inference.asked == [("trigger", {"part_id": "N-1"})]
    assert {"VisionStateMachine", "ResultManagement"} <= set(seen["ran"]["parts"])
    assert seen["ran"]["job"] == "70001"
    event = seen["ran"]["event"]
    assert json.loads(event.pop("content"))["part_id"] == "P70001"
    assert event == {"result": str(number), "job": "70001", "part": "P70001", "recipe": "3", "state": 1}


def test_nobody_writes_what_the_nodeset_calls_writable(line: ServedLine, paths: tuple[Path, Path]) -> None:
    async def test() -> None:
        async with await line.encrypted(paths, "admin") as client:
            vision = await VisionClient.of(client)
            node = client.get_node(ua.NodeId(6303, vision.index))
            assert ua.AccessLevel.CurrentWrite in await node.get_access_level()
            with pytest.raises(ua.uaerrors.BadUserAccessDenied):
                await node.write_value(await node.read_value())

    run(test())


def test_another_file_is_refused(tmp_path: Path) -> None:
    server = Server()
    with pytest.raises(InputError, match=r"is missing: set opcua\.nodeset"):
        check_nodeset(tmp_path / "missing.xml")
    damaged = tmp_path / "damaged.xml"
    damaged.write_bytes(NODESET.read_bytes()[:5000])
    with pytest.raises(InputError, match="is damaged or cut off"):
        asyncio.run(load_nodeset(server, damaged))


@pytest.mark.parametrize(
    ("state", "job", "expected"),
    [
        (LineState(), None, ("Preoperational", None)),
        (LineState(fault=FaultCode.MODEL), None, ("Error", None)),
        (LineState(fault=FaultCode.SOURCE), VisionJob("1", 1), ("Error", None)),
        (LineState(fault=FaultCode.NONE), None, ("Operational", "Initialized")),
        (LineState(fault=FaultCode.NONE, ready=True, busy=True), None, ("Operational", "Ready")),
        (LineState(fault=FaultCode.NONE), VisionJob("1", 1), ("Operational", "SingleExecution")),
        (LineState(fault=FaultCode.NONE, ready=True), VisionJob("1", None), ("Operational", "ContinuousExecution")),
    ],
)
def test_the_state_is_what_the_line_says(
    state: LineState, job: VisionJob | None, expected: tuple[str, str | None]
) -> None:
    assert (system_state(state), automatic_state(state, job)) == expected


def unsigned(*values: int) -> list[ua.Variant]:
    return [ua.Variant(value, ua.VariantType.UInt32) for value in values]


def pem(paths: tuple[Path, Path]) -> dict[str, str]:
    """Return what node-opcua calls a certificate and its key, which it takes as PEM files."""
    certificate = paths[0].with_suffix(".crt")
    certificate.write_bytes(read_certificate(paths[0]).public_bytes(Encoding.PEM))
    return {"certificate": str(certificate), "key": str(paths[1])}


async def _has(vision: VisionClient, result_id: str) -> bool:
    return (await vision.call("ResultManagement.GetResultById", ua.ResultIdDataType(Id=result_id), 0))[2] == 0
