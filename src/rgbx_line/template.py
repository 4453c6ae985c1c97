"""The commented ``line.yaml`` that a new line begins with."""

from collections.abc import Mapping
from pathlib import Path

from rgbx.errors import InputError
from rgbx.files import write_text
from rgbx.models.header import read_bundle_header
from rgbx.trust.calibration import load_calibration

_TEXT = """\
# A sorting line for rgbx. Paths are from this file's folder on. 'rgbx line check {name}' says what is wrong in it.

# All that the line writes: log, archived images, models, users.
folder: {folder}

# The model that the line begins with; later ones: rgbx line model add.
bundle: {bundle}

# BinCode that the PLC gets for each bin of the model. 0 is aside, and what every other bin gets.
bins:
{bins}
# Seconds from a part's trigger, or its first image, to its answer. The wait for a second image has to be shorter.
deadline: 5.0

images:
  # Folders that images arrive in, one part's by one name: A17_rgb.png and A17_xray.tiff. Leave one out, or both when
  # images come over HTTP.
  rgb: camera
  xray: detector
  pairing:
    wait: 2.0
    # Seconds that a file has to stay the same. 0 for programs that write under another name and rename.
    settle: 0.2
  # What becomes of answered files: keep, archive (to the line's folder) or delete.
  answered: archive

# Cameras and detectors that the line itself takes images with, instead of a folder above. 'simulated' shows the images
# of a folder; drivers of real cameras come as packages.
# drivers:
#   - {{name: top, modality: rgb, kind: simulated, settings: {{folder: test/rgb}}}}
#   - {{name: tube, modality: xray, kind: simulated, settings: {{folder: test/xray}}}}

# Where the line is in the plant; part of every MQTT topic.
place: {{enterprise: enterprise, site: site, area: area, line: line, cell: rgbx}}

# Known devices that a model must get right before it may become active: golden/rgb/SP1_a.png, golden/xray/SP1_a.tiff.
# golden: golden

# Flat and dark fields of the detector, from 'rgbx flatfield'.
# flat: fields

# Everything binds to this machine alone until you say otherwise.
web: {{host: 127.0.0.1, port: 8080}}
modbus: {{host: 127.0.0.1, port: 1502}}
# mqtt: {{host: 127.0.0.1, port: 1883}}
# opcua: {{host: 127.0.0.1, port: 4840, nodeset: Opc.Ua.MachineVision.NodeSet2.xml}}

# Which devices people are asked to look at, on the page Review. Rates are estimated from the random share alone.
# review:
#   random_share: 0.01
#   days: 30
#   second_opinion: 0.05
#   classes: [SP11]

# What reviews have to show of a model before it may become the active one; null for nothing.
promotion: {{bound: 0.01, margin: 0.005}}

# Sets that the model was trained on. With them the page Models can add a class by training in full, overnight.
# trained_on: {{rgb: [sets/rgb], xray: [sets/xray]}}

# The drift alarm says when photographs, radiographs or devices come to look otherwise; null for none.
drift: {{devices_a_day: 2000, false_alarms_a_year: 1}}

keep:
  days: 365
  free_gb: 5
  # What is going to go by age or for room within so many days is said before.
  warn: {{days: 14}}
"""


def write_template(file: Path, bundle: Path, folder: Path) -> tuple[str, ...]:
    """Write a commented file of settings for a model.

    Args:
        file: to write; its folder is where paths in it begin.
        bundle: the first model.
        folder: that the line shall write to.

    Returns:
        What should be known about it, a sentence each.

    Raises:
        InputError: there is such a file, or the bundle is none.
    """
    if file.exists():
        raise InputError(file, "is there already", "edit it, or give another name")
    header = read_bundle_header(bundle)
    calibrated = load_calibration(bundle, header.weights_sha256)
    names = header.classes if calibrated is None else calibrated.sorting.bins
    codes = {name: code for code, name in enumerate(dict.fromkeys(names), start=1)}
    text = _TEXT.format(name=file.name, folder=folder, bundle=bundle.resolve(), bins=_lines(codes))
    write_text(file, text)
    if calibrated is None:
        return (f"{bundle} was not calibrated, so every part goes aside: run 'rgbx calibrate' first.",)
    return ()


def _lines(codes: Mapping[str, int]) -> str:
    return "".join(f"  {name!r}: {code}\n" for name, code in codes.items())
