"""What is wrong with a line's settings, found before a shift finds it."""

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from rgbx.errors import RgbxError
from rgbx.models.header import read_bundle_header
from rgbx.trust.calibration import load_calibration
from rgbx_line.channel import LONGEST_PATH
from rgbx_line.drivers.driver import can_serve, made_driver
from rgbx_line.inference.computing import load_model
from rgbx_line.settings import LOOPBACK, DriverSettings, LineFolder, LineSettings
from rgbx_line.users import Users

_OPEN_TO_ALL = ("", "0.0.0.0", "::")


def line_problems(settings: LineSettings) -> Iterator[str]:
    """Yield what keeps a line from running, a sentence each with its remedy."""
    folder = LineFolder(settings.folder)
    if len(os.fsencode(folder.socket)) > LONGEST_PATH:
        yield f"{folder.socket} is too long a path for a socket: give the line a folder with a shorter one."
    for each in (settings.images.rgb, settings.images.xray):
        if each is not None and not each.is_dir():
            yield f"{each} is no folder: make it, or correct it under 'images'."
    if not settings.hot_folders and settings.web is None:
        yield "no image can come in: name a folder under 'images', or a driver, or turn 'web' on for uploads."
    for driver in settings.drivers:
        yield from _driver_problems(driver)
    try:
        load_model(settings.bundle, settings.modalities, settings.flat, settings.golden)
    except RgbxError as error:
        yield str(error)
    for name, host, port in _addresses(settings):
        taken = _taken(host, port)
        if taken:
            yield f"{name} cannot listen on {host}, port {port} ({taken}): stop what does, or give it another port."
    for path in _files(settings):
        if not path.is_file():
            yield f"{path} does not exist: put it there, or correct the setting."


def line_warnings(settings: LineSettings) -> Iterator[str]:
    """Yield what does not keep a line from running, and should be known."""
    try:
        header = read_bundle_header(settings.bundle)
        calibrated = load_calibration(settings.bundle, header.weights_sha256)
    except RgbxError:
        return  # which is a problem
    if calibrated is None:
        yield f"{settings.bundle} was not calibrated, so every part goes aside: run 'rgbx calibrate' first."
    else:
        without = [name for name in dict.fromkeys(calibrated.sorting.bins) if name not in settings.bins]
        if without:
            yield f"the bins {', '.join(without)} have no code under 'bins': what belongs there goes aside."
    if settings.web is not None and not Users.read(LineFolder(settings.folder).users).roles:
        yield "there is no user, so nobody can upload, trigger or change anything: run 'rgbx line user add'."
    for name, host, _ in _addresses(settings):
        if host in _OPEN_TO_ALL:
            yield f"{name} listens on every network of this machine: name the one that it is meant for."
    if settings.web is not None and settings.web.host != LOOPBACK and settings.web.certificate is None:
        yield "passwords go over the network in clear: give 'web' a certificate and its key."
    if settings.golden is None:
        yield "there are no golden devices, so a model's self-test sees whether it runs and not whether it is right."
    place = settings.folder if settings.folder.exists() else settings.folder.parent
    if place.exists() and shutil.disk_usage(place).free < settings.keep.free_gb * 1e9:
        yield f"the disk has less than {settings.keep.free_gb:g} GB free: archived images would go at once."


def _driver_problems(settings: DriverSettings) -> Iterator[str]:
    """Try a driver out, as far as opening its camera."""
    try:
        driver = made_driver(settings)
        if not can_serve(driver, settings.on_trigger):
            how = "on a trigger" if settings.on_trigger else "by itself"
            yield f"the driver '{settings.name}' takes no image {how}: set its on_trigger the other way."
        try:
            driver.connect()
        finally:
            driver.close()
    except Exception as error:  # whatever a camera's library raises
        said = (str(error) or type(error).__name__).rstrip(".")
        yield f"the driver '{settings.name}' cannot be opened ({said}): check its settings, and the camera."


def _addresses(settings: LineSettings) -> Iterator[tuple[str, str, int]]:
    servers = {"web": settings.web, "modbus": settings.modbus, "opcua": settings.opcua}
    for name, server in servers.items():
        if server is not None:
            yield name, server.host, server.port


def _taken(host: str, port: int) -> str:
    """Return why an address cannot be listened on; nothing where it can."""
    try:
        with socket.create_server((host, port)):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def _files(settings: LineSettings) -> Iterator[Path]:
    web, mqtt, opcua = settings.web, settings.mqtt, settings.opcua
    named = [
        *((web.certificate, web.key) if web else ()),
        *((mqtt.password_file, mqtt.certificates) if mqtt else ()),
        *((opcua.nodeset, opcua.certificate, opcua.key) if opcua else ()),
    ]
    yield from (path for path in named if path is not None)
