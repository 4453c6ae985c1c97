"""What a line answers over HTTP, from an upload to the answer, and the server around it."""

import asyncio
import io
import ipaddress
import shutil
import signal
import ssl
import tempfile
import zlib
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from structlog.testing import capture_logs

from fake_inference import part_result, run, until
from pages_browser import served_pages
from radiograph_files import write_dicom
from rgbx.errors import InputError, RgbxError
from rgbx_line.contract import FaultCode, LineState
from rgbx_line.web.process import run_web
from web_line import ENGINEER, OPERATOR, WebLine, line_settings, png, web_line

INFERENCE_AWAY = LineState().fault


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:  # a short path, which a socket needs
        yield Path(folder)


def kept(folder: Path) -> list[Path]:
    return sorted((folder / "uploads").glob("*")) + sorted((folder / "uploads").glob(".*"))


def test_an_upload_is_on_the_disk_when_inference_hears_of_it(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            files = {"rgb": ("../../a.png", png(), "image/png"), "xray": ("x", png(50, 60), "text/plain")}
            reply = await client.post("/api/parts", files=files, data={"part_id": "P 7/ä"})
            assert reply.status_code == 202
            assert reply.json() == {"seq": 70_001, "part_id": "P 7/ä"}
            ((do, asked),) = line.asked
            assert (do, asked["part_id"]) == ("uploaded", "P 7/ä")
            paths = {modality: Path(path) for modality, path in asked["images"].items()}
            assert paths["rgb"].read_bytes() == png()
            assert paths["xray"].read_bytes() == png(50, 60)
            assert kept(folder) == sorted(paths.values())
            assert all(path.parent == folder / "uploads" and path.suffix == ".png" for path in paths.values())

    run(test())


@pytest.mark.parametrize("kind", ["tiff", "dicom", "jpeg"])
def test_all_kinds_of_images_are_taken(folder: Path, kind: str) -> None:
    pixels = np.full((30, 40), 1000, np.uint16)
    path = folder / "given"
    if kind == "tiff":
        tifffile.imwrite(path, pixels)
    elif kind == "dicom":
        write_dicom(path, pixels)
    else:
        Image.fromarray(pixels.astype(np.uint8)).save(path, "JPEG")

    async def test() -> None:
        async with web_line(folder) as (line, client):
            reply = await client.post("/api/parts", files={"xray": path.read_bytes()})
            assert reply.status_code == 202, reply.text
            assert line.asked[0][1]["part_id"] is None
            (image,) = kept(folder)
            assert image.suffix == {"tiff": ".tif", "dicom": ".dcm", "jpeg": ".jpg"}[kind]
        async with web_line(folder, upload={"megapixels": 0.001}) as (_, client):
            reply = await client.post("/api/parts", files={"xray": path.read_bytes()})
            assert reply.status_code == 413
            assert "40 × 30 pixels" in reply.json()["error"]

    run(test())


def refused(folder: Path, status: int, sentence: str, web: dict[str, Any] | None = None, **request: Any) -> None:
    async def test() -> None:
        async with web_line(folder, **(web or {})) as (line, client):
            reply = await client.post("/api/parts", **request)
            assert reply.status_code == status, reply.text
            assert sentence in reply.json()["error"]
            assert line.asked == []
            assert kept(folder) == []

    run(test())


def test_too_many_bytes_are_refused(folder: Path) -> None:
    small = {"upload": {"megabytes": 0.01}}
    refused(folder, 413, "0.01 MB", small, files={"rgb": bytes(10_001)})
    refused(folder, 413, "0.01 MB", small, files={"rgb": png(), "xray": bytes(50_000)})


def test_a_body_without_a_length_is_not_read_to_its_end(folder: Path) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="rgb"; filename="a"\r\n\r\n'
        while True:
            sent += 1000
            yield bytes(1000)

    headers = {"content-type": "multipart/form-data; boundary=b"}
    refused(folder, 413, "0.01 MB", {"upload": {"megabytes": 0.01}}, content=endless(), headers=headers)
    assert sent < 50_000


@pytest.mark.parametrize(("side", "status"), [(10_000, 413), (100_000, 422)])
def test_a_small_file_of_many_pixels_is_refused(folder: Path, side: int, status: int) -> None:
    header = bytearray(png())
    header[16:24] = side.to_bytes(4, "big") * 2
    header[29:33] = zlib.crc32(header[12:29]).to_bytes(4, "big")
    refused(folder, status, "crop it to the device", files={"rgb": bytes(header)})


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"GIF89a", "is a GIF"), (b"", "is empty"), (b"#!/bin/sh", "no image"), (b"%PDF-1.7", "is a PDF")],
)
def test_what_is_no_image_is_refused(folder: Path, content: bytes, sentence: str) -> None:
    refused(folder, 415, sentence, files={"rgb": png(), "xray": content})


def test_forms_that_are_none_are_refused(folder: Path) -> None:
    refused(folder, 415, "multipart/form-data", content=png(), headers={"content-type": "image/png"})
    refused(folder, 415, "multipart/form-data")
    refused(folder, 400, "form", content=b"--b", headers={"content-type": "multipart/form-data"})
    refused(folder, 400, "form", content=b"what", headers={"content-type": "multipart/form-data; boundary=b"})
    refused(folder, 422, "no image", files={"part_id": (None, "7")})
    refused(folder, 422, "no image", files={"part_id": (None, "")})
    refused(folder, 422, "'depth'", files={"rgb": png(), "depth": png()})
    refused(folder, 422, "not one file", files=[("rgb", png()), ("rgb", png())])
    refused(folder, 422, "not one file", files={"rgb": (None, "text")})
    refused(folder, 422, "part_id", files={"rgb": png(), "part_id": ("p", b"7")})
    refused(folder, 400, "Too many files", files=[("rgb", png())] * 3)


def test_a_part_that_was_taken_before_is_a_conflict_that_names_its_answer(folder: Path) -> None:
    """Else who heard nothing of its first try would send it for ever."""

    async def refuse(_: str, content: dict[str, Any]) -> dict[str, Any]:
        return {"refused": f"the part '{content['part_id']}' was answered already: give each part its own name."}

    async def test() -> None:
        async with web_line(folder) as (line, client):
            line.hub._handler = refuse
            (entry,) = line.answer(1)
            await line.heard()
            taken = await client.post("/api/parts", files={"rgb": png()}, data={"part_id": "P1"})
            assert (taken.status_code, taken.json()["number"]) == (409, entry.number)
            assert "was answered already" in taken.json()["error"]
            still_open = await client.post("/api/parts", files={"rgb": png()}, data={"part_id": "P2"})
            assert (still_open.status_code, "number" in still_open.json()) == (409, False)
            assert kept(folder) == []

    run(test())


ODD = st.sampled_from(["../../etc/passwd", "a\0b", "\n", "a\r\nb", "\u202e", "/", ".", "", " a", "x" * 101])
several = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@several
@given(part_ids=st.lists(st.text(st.characters(codec="utf-8"), max_size=120) | ODD, max_size=12))
def test_odd_part_ids_do_no_harm(folder: Path, part_ids: list[str]) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            for part_id in part_ids:
                line.asked.clear()
                body = part_id.encode()
                reply = await client.post("/api/parts", files={"rgb": png(), "part_id": (None, body)})
                if reply.status_code == 202:
                    assert line.asked[0][1]["part_id"] == (part_id or None)
                    assert part_id.isprintable()
                else:
                    assert reply.status_code == 422
                    assert "part_id" in reply.json()["error"]
                    assert line.asked == []
                if part_id.strip("./"):  # dots the client takes for folders
                    assert (await client.get(f"/api/parts/{quote(body, safe='')}")).status_code == 404
            assert all(path.parent == folder / "uploads" for path in kept(folder))
            known = {"log", "uploads", "users.json", "line.sock", "parts.sqlite"}
            assert {path.name for path in folder.iterdir()} <= known

    run(test())


@several
@given(
    contents=st.lists(
        st.builds(
            bytes.__add__,
            st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0+", b"\xff\xd8\xff", bytes(128) + b"DICM"])
            | st.integers(0, 100).map(lambda end: png()[:end]),
            st.binary(max_size=300),
        ),
        max_size=12,
    )
)
def test_files_of_any_content_are_kept_whole_or_not_at_all(folder: Path, contents: list[bytes]) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            for content in contents:
                line.asked.clear()
                reply = await client.post("/api/parts", files={"rgb": content})
                assert reply.status_code in (202, 413, 415, 422), reply.text
                assert bool(line.asked) == (reply.status_code == 202)
                assert [path.read_bytes() for path in kept(folder)] == ([content] if line.asked else [])
                shutil.rmtree(folder / "uploads", ignore_errors=True)

    run(test())


def test_nothing_is_taken_while_the_line_is_not_ready(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            line.tell(ready=False, fault=FaultCode.LOG, fault_text="The disk is full.")
            await line.heard()
            reply = await client.post("/api/parts", files={"rgb": png()})
            assert (reply.status_code, reply.json()) == (503, {"error": "The disk is full."})
            assert (await client.get("/healthz")).status_code == 200
            ready = await client.get("/readyz", auth=None)
            assert ready.status_code == 503
            assert ready.json() == {"ready": False, "fault": 2, "fault_text": "The disk is full."}

            line.tell(ready=True, fault=FaultCode.NONE, fault_text="")
            await line.heard()
            assert (await client.get("/readyz", auth=None)).status_code == 200
            line.refuses = True
            reply = await client.post("/api/parts", files={"rgb": png()})
            assert reply.status_code == 503
            assert "wait until it is" in reply.json()["error"]
            assert kept(folder) == []

    run(test())


def test_without_inference_the_process_lives_and_says_so(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            line.answer(1)
            await line.heard()
            for connection in line.hub._clients.values():
                connection.close()
            await line.hub.close()
            await until(lambda: line.link.state.fault == INFERENCE_AWAY)
            assert (await client.get("/healthz")).status_code == 200
            assert (await client.get("/readyz")).status_code == 503
            assert (await client.post("/api/halt")).status_code == 503
            assert (await client.post("/api/parts", files={"rgb": png()})).status_code == 503
            assert len((await client.get("/api/parts")).json()["results"]) == 1

    run(test())


def test_answers_are_found_by_part_and_by_number(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            line.answer(1, 2, 3)
            line.log.append([("result", part_result(4, "A/../ü").model_dump(mode="json"))])
            line.answer(1)
            await line.heard()
            line.append(1)  # not announced
            one = (await client.get("/api/parts/P1")).json()["results"]
            assert [(result["number"], result["seq"], result["bin"]) for result in one] == [
                (5, 1, "mixed"),
                (1, 1, "mixed"),
            ]
            assert len((await client.get("/api/parts/P1", params={"limit": 1})).json()["results"]) == 1
            slashes = (await client.get("/api/parts/A%2F..%2F%C3%BC")).json()["results"]
            assert [result["part_id"] for result in slashes] == ["A/../ü"]
            some = (await client.get("/api/parts", params={"after": 1, "limit": 2})).json()
            assert [result["number"] for result in some["results"]] == [2, 3]
            rest = (await client.get("/api/parts", params={"after": some["after"]})).json()
            assert [result["number"] for result in rest["results"]] == [4, 5]
            assert (await client.get("/api/parts", params={"after": 5})).json() == {"results": [], "after": 5}
            missing = await client.get("/api/parts/nobody")
            assert missing.status_code == 404
            assert "'nobody'" in missing.json()["error"]
            for wrong in ({"after": -1}, {"limit": 0}, {"limit": 1001}, {"limit": "x"}):
                assert (await client.get("/api/parts", params=wrong)).status_code == 422

    run(test())


def test_people_control_the_line_in_their_own_name(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            assert (await client.get("/api/state")).json()["model_number"] == 3
            for path in ("/api/halt", "/api/resume"):
                assert (await client.post(path)).status_code == 200
            for path in ("/api/models/7/activate", "/api/models/roll-back"):
                assert (await client.post(path, auth=ENGINEER)).status_code == 200
            assert (await client.get("/api/models")).status_code == 200
            assert line.asked == [
                ("halt", {"who": "olga"}),
                ("resume", {"who": "olga"}),
                ("activate", {"number": 7, "who": "emil"}),
                ("roll_back", {"who": "emil"}),
                ("models", {}),
            ]
            line.refuses = True
            reply = await client.post("/api/models/8/activate", auth=ENGINEER)
            assert (reply.status_code, "wait until" in reply.json()["error"]) == (409, True)
            for number in ("0", "70000", "x"):
                reply = await client.post(f"/api/models/{number}/activate", auth=ENGINEER)
                assert reply.status_code == 422
                assert "number" in reply.json()["error"]

    run(test())


def test_a_silent_inference_is_not_waited_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rgbx_line.web.asking.ANSWER_WITHIN_S", 0.1)

    class Silent(WebLine):
        async def _answer(self, do: str, content: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
            await asyncio.sleep(60)
            return {}

    monkeypatch.setattr("web_line.WebLine", Silent)

    async def test() -> None:
        async with web_line(folder) as (_, client):
            assert (await client.post("/api/halt")).status_code == 504
            assert (await client.post("/api/parts", files={"rgb": png()})).status_code == 503
            assert len(kept(folder)) == 1, "inference may have taken it"

    run(test())


def test_every_refusal_is_json(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (_, client):
            for method, path, status in (
                ("GET", "/nowhere", 404),
                ("GET", "/docs", 404),
                ("GET", "/openapi.json", 404),
                ("DELETE", "/api/parts", 405),
                ("GET", "/api/halt", 405),
            ):
                reply = await client.request(method, path)
                assert reply.status_code == status
                assert reply.json()["error"].endswith(".")

    run(test())


# The server


async def when_ready(client: httpx.AsyncClient) -> None:
    while (await client.get("/readyz")).status_code != 200:
        await asyncio.sleep(0.02)


def test_a_part_goes_in_and_its_answer_comes_out(folder: Path) -> None:
    async def test() -> None:
        async with (
            served_pages(folder) as (url, inference, _),
            httpx.AsyncClient(base_url=url, auth=OPERATOR) as client,
        ):
            await when_ready(client)
            reply = await client.post("/api/parts", files={"rgb": png()}, data={"part_id": "P1"})
            assert reply.status_code == 202
            inference.answer(1)
            while (found := await client.get("/api/parts/P1")).status_code == 404:
                await asyncio.sleep(0.02)
            assert found.json()["results"][0]["bin"] == "mixed"
            assert "server" not in found.headers
            large = await client.post("/api/parts", files={"rgb": io.BytesIO(bytes(140_000_000))})
            assert large.status_code == 413

    run(test())


def test_it_leaves_though_clients_hang(folder: Path) -> None:
    async def test() -> None:
        async with served_pages(folder) as (url, _, stop):
            port = int(url.rpartition(":")[2])
            idle, begun, unsent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
            begun[1].write(b"GET /healthz HTT")
            header = b"POST /api/parts HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n"
            login = b64encode(":".join(OPERATOR).encode())
            content = b"Content-Type: multipart/form-data; boundary=b\r\nAuthorization: Basic " + login
            unsent[1].write(header + content + b"\r\n\r\n--b\r\n")
            await asyncio.sleep(0.5)
            stop.set()
            assert await idle[0].read() == b""
            for _, writer in (idle, begun, unsent):
                writer.close()

    run(test())


def test_signals_stay_the_processs_own(folder: Path) -> None:
    async def test() -> None:
        before = signal.getsignal(signal.SIGTERM)
        async with served_pages(folder):
            assert signal.getsignal(signal.SIGTERM) is before

    run(test())


def test_what_a_killed_process_had_begun_goes(folder: Path) -> None:
    uploads = folder / "uploads"
    uploads.mkdir()
    for name in (".a_rgb.part", "a_rgb.png"):
        (uploads / name).touch()

    async def test() -> None:
        async with served_pages(folder):
            assert [path.name for path in kept(folder)] == ["a_rgb.png"]

    run(test())


def test_a_port_that_is_taken_is_named(folder: Path) -> None:
    async def test() -> None:
        async with served_pages(folder) as (url, _, _):
            taken = int(url.rpartition(":")[2])
            with pytest.raises(RgbxError, match=rf"port {taken} .*web\.port"):
                await run_web(line_settings(folder, port=taken), asyncio.Event())

    run(test())


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
    signed = builder.add_extension(here, critical=False).sign(key, hashes.SHA256())
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(*private))
    return paths


def test_with_a_certificate_it_speaks_tls_alone(folder: Path) -> None:
    pem, key = certificate(folder, "line")

    async def test() -> None:
        async with served_pages(folder, certificate=pem, key=key) as (url, _, _):
            assert url.startswith("https://")
            trust = ssl.create_default_context(cafile=pem)
            async with httpx.AsyncClient(base_url=url, auth=OPERATOR, verify=trust) as client:
                await when_ready(client)
                assert (await client.get("/api/state")).status_code == 200
            async with httpx.AsyncClient() as client:
                with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                    await client.get(url)
                with pytest.raises(httpx.TransportError):
                    await client.get(url.replace("https", "http"))

    run(test())


def test_a_certificate_that_cannot_be_used_is_named(folder: Path) -> None:
    pem, _ = certificate(folder, "line")
    _, other = certificate(folder, "other")

    async def test() -> None:
        for key in (other, pem, folder / "missing"):
            with pytest.raises(InputError, match=r"line\.pem or its key cannot be used"):
                await run_web(line_settings(folder, port=0, certificate=pem, key=key), asyncio.Event())

    run(test())


def test_a_warning_is_given_where_passwords_could_be_read(folder: Path) -> None:
    async def test() -> None:
        stop = asyncio.Event()
        stop.set()
        with capture_logs() as logs:
            await run_web(line_settings(folder, port=0, host="0.0.0.0"), stop)
        assert any("in the clear" in log["event"] for log in logs)

    run(test())
