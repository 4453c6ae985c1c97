"""A newcomer's ten minutes, as the guide tells them: init, check, run, two images, and the answer."""

import asyncio
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from pymodbus.client import ModbusTcpClient

from rgbx.samples import write_image
from rgbx_line.contract import ReasonCode
from tiny_bundle import write_exported_bundle


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def run_rgbx(folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "rgbx", *words]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=90, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout + ran.stderr


def wait_for(what: Callable[[], Any], log: Path, seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while True:
        try:
            if found := what():
                return found
        except (OSError, httpx.HTTPError):
            pass
        assert time.monotonic() < end, log.read_text()[-3000:]
        time.sleep(0.1)


def registers_of(port: int) -> list[int]:
    """Read all input registers; raises OSError while nobody listens."""
    socket.create_connection(("127.0.0.1", port)).close()
    with ModbusTcpClient("127.0.0.1", port=port) as plc:
        return plc.read_input_registers(0, count=45).registers


async def tags_over_opcua(port: int) -> dict[str, Any]:
    from asyncua import Client

    async with Client(f"opc.tcp://127.0.0.1:{port}") as client:
        index = await client.get_namespace_index("urn:rgbx:line")
        names = ("PartId", "BinCode", "ReasonCode", "PartSeq")
        return {name: await client.get_node(f"ns={index};s=Line.{name}").read_value() for name in names}


@pytest.mark.slow
def test_the_answer_is_there_in_a_terminal_and_over_every_protocol(tmp_path, tmp_path_factory):
    pytest.importorskip("asyncua", reason="asyncua is not installed: run 'pip install rgbx[opcua]'")
    write_exported_bundle(tmp_path / "model", tmp_path_factory)
    said = run_rgbx(tmp_path, "line", "init", "line.yaml", "--bundle", "model")
    assert "was not calibrated" in said

    ports = {name: free_port() for name in ("web", "modbus", "opcua", "mqtt")}
    text = (tmp_path / "line.yaml").read_text()
    text = text.replace("8080", str(ports["web"])).replace("1502", str(ports["modbus"]))
    text = re.sub(r"# opcua: .*", f"opcua: {{host: 127.0.0.1, port: {ports['opcua']}}}", text)
    text = text.replace("# mqtt: {host: 127.0.0.1, port: 1883}", f"mqtt: {{host: 127.0.0.1, port: {ports['mqtt']}}}")
    text = text.replace("free_gb: 5", "free_gb: 0.1")
    (tmp_path / "line.yaml").write_text(text)
    for name in ("camera", "detector"):
        (tmp_path / name).mkdir()
    assert "the line can run." in run_rgbx(tmp_path, "line", "check", "line.yaml")

    helpers = [subprocess.Popen([sys.executable, "-m", "rgbx", "line", "run", "line.yaml"], cwd=tmp_path,
                                stdout=(tmp_path / "run.log").open("wb"), stderr=subprocess.STDOUT)]  # fmt: skip
    heard = tmp_path / "heard"
    try:
        if shutil.which("mosquitto") and shutil.which("mosquitto_sub"):
            helpers.append(subprocess.Popen(["mosquitto", "-p", str(ports["mqtt"])], stderr=subprocess.DEVNULL))
            wait_for(lambda: socket.create_connection(("127.0.0.1", ports["mqtt"])), tmp_path / "run.log")
            listen = ["mosquitto_sub", "-p", str(ports["mqtt"]), "-t", "enterprise/site/area/line/rgbx/result"]
            helpers.append(subprocess.Popen(listen, stdout=heard.open("wb")))
        web = f"http://127.0.0.1:{ports['web']}"
        wait_for(lambda: httpx.get(f"{web}/readyz").status_code == 200, tmp_path / "run.log")

        rng = np.random.default_rng(0)
        write_image(tmp_path / "camera/A17_rgb.png", rng.integers(0, 255, (40, 50, 3)).astype(np.uint8))
        write_image(tmp_path / "detector/A17_xray.tiff", rng.integers(2000, 40000, (40, 50)).astype(np.uint16))

        wait_for(lambda: registers_of(ports["modbus"])[4] == 1, tmp_path / "run.log")
        registers = registers_of(ports["modbus"])
        assert (registers[6], registers[7]) == (0, ReasonCode.NO_BIN)
        assert b"".join(word.to_bytes(2, "big") for word in registers[10:42]).rstrip(b"\0") == b"A17"
        expected = {"PartId": "A17", "BinCode": 0, "ReasonCode": ReasonCode.NO_BIN, "PartSeq": 1}
        wait_for(lambda: asyncio.run(tags_over_opcua(ports["opcua"])) == expected, tmp_path / "run.log")
        assert 'rgbx_parts_total{bin="aside",reason="no bin"} 1.0' in httpx.get(f"{web}/metrics").text
        if heard.exists():
            wait_for(heard.read_text, tmp_path / "run.log")
            message = json.loads(heard.read_text())
            assert (message["part_id"], message["reason"]) == ("A17", "no bin")

        shown = run_rgbx(tmp_path, "line", "show", "line.yaml", "A17")
        assert "aside: no bin (7)" in shown
        assert "A17_xray.tiff" in shown
        assert "are as they were written" in run_rgbx(tmp_path, "line", "verify", "line.yaml")
        helpers[0].send_signal(signal.SIGTERM)
        assert helpers[0].wait(12) == 0
    finally:
        for helper in helpers:
            helper.kill()
            helper.wait()
