"""Who gets in over OPC UA, and what nobody may do there."""

import asyncio
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asyncua import Client, ua
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from opcua_line import PASSWORD, ServedLine, make_certificate, run, served_line, until
from rgbx.errors import InputError
from rgbx_line.gateway.opcua.access import People
from rgbx_line.gateway.opcua.certificates import read_certificate, trust
from rgbx_line.gateway.opcua.tags import NAMESPACE
from rgbx_line.settings import LineFolder
from rgbx_line.users import Role

REFUSED = (ua.UaError, ConnectionError, asyncio.TimeoutError)
ROLES = [None, "olga", "emil", "admin"]


@pytest.fixture(scope="module")
def served() -> Iterator[ServedLine]:
    with served_line() as line:
        yield line


@pytest.fixture
def line(served: ServedLine) -> ServedLine:
    served.reset()
    return served


@pytest.fixture(scope="module")
def trusted(served: ServedLine) -> tuple[Path, Path]:
    paths = make_certificate(served.folder.folder, "trusted")
    trust(served.folder, paths[0])
    return paths


async def line_object(client: Client) -> tuple[ua.NodeId, ua.NodeId]:
    index = await client.get_namespace_index(NAMESPACE)
    return ua.NodeId("Line", index), ua.NodeId("Line.Ready", index)


def test_the_own_certificate_is_of_this_server_and_its_key_is_secret(line: ServedLine) -> None:
    certificate = read_certificate(line.folder.opcua / "own.der")
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    (uri,) = names.get_values_for_type(x509.UniformResourceIdentifier)
    assert certificate.not_valid_after_utc - datetime.now(UTC) > timedelta(days=3640)
    assert stat.S_IMODE((line.folder.opcua / "own.pem").stat().st_mode) == 0o600

    async def test() -> None:
        endpoints = await line.client().connect_and_get_server_endpoints()
        assert {endpoint.Server.ApplicationUri for endpoint in endpoints} == {uri}

    run(test())


def test_endpoints_are_strong_and_ask_no_password_in_clear(line: ServedLine) -> None:
    async def test() -> None:
        offered = {}
        for endpoint in await line.client().connect_and_get_server_endpoints():
            policy = endpoint.SecurityPolicyUri.rsplit("#", 1)[-1]
            offered[policy, endpoint.SecurityMode.name] = {
                token.TokenType.name for token in endpoint.UserIdentityTokens
            }
        both = {"Anonymous", "UserName"}
        assert offered == {
            ("None", "None_"): {"Anonymous"},
            ("Basic256Sha256", "Sign"): both,
            ("Basic256Sha256", "SignAndEncrypt"): both,
            ("Aes256_Sha256_RsaPss", "Sign"): both,
            ("Aes256_Sha256_RsaPss", "SignAndEncrypt"): both,
        }

    run(test())


@pytest.mark.parametrize("name", ROLES)
def test_nobody_writes_or_alters_nodes(line: ServedLine, trusted: tuple[Path, Path], name: str | None) -> None:
    async def test() -> None:
        async with await line.encrypted(trusted, name) as client:
            folder, ready = await line_object(client)
            node = client.get_node(ready)
            before = await node.read_value()
            both = ua.DataValue(ua.Variant(3, ua.VariantType.Byte))
            with pytest.raises(ua.uaerrors.BadUserAccessDenied):
                await node.write_value(not before)
            with pytest.raises(ua.uaerrors.BadUserAccessDenied):
                await node.write_attribute(ua.AttributeIds.AccessLevel, both)
            with pytest.raises(ua.uaerrors.BadUserAccessDenied):
                await client.nodes.server_state.write_value(1, ua.VariantType.Int32)
            with pytest.raises(ua.uaerrors.BadUserAccessDenied):
                await client.get_node(folder).add_variable(folder.NamespaceIndex, "Mine", 1)
            with pytest.raises(ua.uaerrors.BadUserAccessDenied):
                await client.delete_nodes([node])
            with pytest.raises(ua.uaerrors.BadUserAccessDenied):
                await client.nodes.objects.add_reference(folder, ua.ObjectIds.Organizes)
            assert await node.read_value() is before

    run(test())


def test_who_gives_no_name_reads_but_triggers_nothing(line: ServedLine, trusted: tuple[Path, Path]) -> None:
    async def test() -> None:
        for client in (line.client(), await line.encrypted(trusted)):
            async with client:
                folder, ready = await line_object(client)
                assert await client.get_node(ready).read_value() is True
                with pytest.raises(ua.uaerrors.BadUserAccessDenied):
                    await client.get_node(folder).call_method(ua.NodeId("Line.Trigger", folder.NamespaceIndex), "A-1")
        assert line.inference.asked == []

    run(test())


@pytest.mark.parametrize(
    ("name", "password"), [("olga", "another"), ("olga", ""), ("nobody", "a long secret"), ("admin", "admin")]
)
def test_a_wrong_password_or_name_is_refused(
    line: ServedLine, trusted: tuple[Path, Path], name: str, password: str
) -> None:
    async def test() -> None:
        with pytest.raises(ua.uaerrors.BadUserAccessDenied):
            await (await line.encrypted(trusted, name, password)).connect()

    run(test())


def test_a_password_in_clear_is_refused_even_the_right_one(line: ServedLine) -> None:
    async def test() -> None:
        with pytest.raises(REFUSED):
            await line.client("olga").connect()

    run(test())


def test_an_unknown_certificate_is_refused_until_it_is_trusted(line: ServedLine, tmp_path: Path) -> None:
    async def test() -> None:
        paths = make_certificate(tmp_path, "stranger")
        with pytest.raises(ua.uaerrors.BadCertificateUntrusted):
            await (await line.encrypted(paths, "olga")).connect()
        copy = trust(line.folder, paths[0])
        async with await line.encrypted(paths, "olga") as client:
            assert await client.get_node(ua.ObjectIds.Server_ServerStatus_State).read_value() == 0
        copy.unlink()
        with pytest.raises(ua.uaerrors.BadCertificateUntrusted):
            await (await line.encrypted(paths, "olga")).connect()

    run(test())


def test_a_certificate_of_another_application_is_refused(line: ServedLine, tmp_path: Path) -> None:
    async def test() -> None:
        paths = make_certificate(tmp_path, "other", "urn:test:other")
        trust(line.folder, paths[0])
        with pytest.raises(ua.uaerrors.BadCertificateUriInvalid):
            await (await line.encrypted(paths, "olga")).connect()

    run(test())


@pytest.mark.parametrize("shown", ["that of a trusted one", "none"])
def test_who_encrypts_with_an_unknown_certificate_cannot_show_another(
    line: ServedLine, trusted: tuple[Path, Path], tmp_path: Path, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = make_certificate(tmp_path, "liar")
    of_another = trusted[0].read_bytes() if shown != "none" else None

    async def test() -> None:
        client = await line.encrypted(paths)
        begin = client.uaclient.create_session

        async def lying(params: ua.CreateSessionParameters) -> ua.CreateSessionResult:
            params.ClientCertificate = of_another
            return await begin(params)

        monkeypatch.setattr(client.uaclient, "create_session", lying)
        with pytest.raises(ua.uaerrors.BadCertificateInvalid):
            await client.connect()

    run(test())


def test_nobody_takes_over_a_session(line: ServedLine, trusted: tuple[Path, Path]) -> None:
    async def test() -> None:
        async with await line.encrypted(trusted, "olga") as owner:
            token = owner.uaclient.protocol.authentication_token
            thief = line.client()
            await thief.connect_socket()
            try:
                await thief.send_hello()
                await thief.open_secure_channel()
                thief.uaclient.protocol.authentication_token = token
                with pytest.raises(ua.uaerrors.BadSessionIdInvalid):
                    await thief.activate_session()
                folder, _ = await line_object(owner)
                request = ua.CallMethodRequest(folder, ua.NodeId("Line.Trigger", folder.NamespaceIndex))
                request.InputArguments = [ua.Variant("stolen")]
                with pytest.raises(ua.UaError):
                    await thief.uaclient.call([request])
            finally:
                thief.disconnect_socket()
        assert line.inference.asked == []

    run(test())


def test_nobody_ends_the_subscription_of_another(line: ServedLine, trusted: tuple[Path, Path]) -> None:
    async def test() -> None:
        async with await line.encrypted(trusted, "olga") as owner, line.client() as other:
            values = []

            class Watcher:
                def datachange_notification(self, _: object, value: bool, __: object) -> None:
                    values.append(value)

            _, ready = await line_object(owner)
            subscription = await owner.create_subscription(10, Watcher())
            await subscription.subscribe_data_change(owner.get_node(ready))
            with pytest.raises(ua.uaerrors.BadSubscriptionIdInvalid):
                await other.uaclient.delete_subscriptions([subscription.subscription_id])
            line.do(line.inference.tell, ready=False)

            async def told() -> bool:
                return values[-1:] == [False]

            await until(told)

    run(test())


def test_nobody_registers_servers(line: ServedLine) -> None:
    async def test() -> None:
        client = line.client()
        await client.connect_sessionless()
        try:
            with pytest.raises(ua.uaerrors.BadServiceUnsupported):
                await client.uaclient.register_server(
                    ua.RegisteredServer(ServerUri="urn:evil", ServerNames=[ua.LocalizedText("evil")])
                )
        finally:
            await client.disconnect_sessionless()

    run(test())


def test_a_line_may_let_nobody_in_without_encryption(monkeypatch: pytest.MonkeyPatch) -> None:
    with served_line(unencrypted=False) as line:
        paths = make_certificate(line.folder.folder, "known")
        trust(line.folder, paths[0])

        async def test() -> None:
            modes = {one.SecurityMode for one in await line.client().connect_and_get_server_endpoints()}
            assert modes == {ua.MessageSecurityMode.Sign, ua.MessageSecurityMode.SignAndEncrypt}
            async with await line.encrypted(paths) as client:
                _, ready = await line_object(client)
                assert await client.get_node(ready).read_value() is True
            monkeypatch.setattr(Client, "find_endpoint", staticmethod(lambda endpoints, *_: endpoints[0]))
            with pytest.raises(ua.uaerrors.BadSecurityModeInsufficient):
                await line.client().connect()

        run(test())


def test_a_line_may_let_nobody_in_without_a_name(line: ServedLine) -> None:
    people = People(line.folder.users, anonymous=False)
    assert people.get_user(None) is None
    person = people.get_user(None, username="olga", password=PASSWORD)
    assert person is not None and person.may(Role.OPERATOR) and not person.may(Role.ENGINEER)


def test_a_trusted_file_must_be_a_certificate(tmp_path: Path) -> None:
    folder = LineFolder(tmp_path / "line")
    paths = make_certificate(tmp_path, "client")
    with pytest.raises(InputError, match=r"client\.pem is no certificate: name a file with one, DER or PEM\."):
        trust(folder, paths[1])
    with pytest.raises(InputError, match=r"missing\.der cannot be read"):
        trust(folder, tmp_path / "missing.der")
    assert not folder.opcua.exists()
    pem = tmp_path / "client.crt"
    pem.write_bytes(read_certificate(paths[0]).public_bytes(Encoding.PEM))
    assert trust(folder, pem).read_bytes() == paths[0].read_bytes()
    (tmp_path / "another").mkdir()
    trust(folder, make_certificate(tmp_path / "another", "client")[0])
    assert len(list((folder.opcua / "trusted").iterdir())) == 2
