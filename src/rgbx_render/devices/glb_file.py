"""The container of glTF 2.0: the JSON and the binary of a GLB, its arrays as numbers and its images."""

import base64
import binascii
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rgbx.errors import InputError
from rgbx_render.devices.mesh_parts import decode_texture

READ_EXTENSIONS = frozenset({
    "EXT_mesh_gpu_instancing",
    "EXT_texture_webp",
    "KHR_draco_mesh_compression",
    "KHR_materials_pbrSpecularGlossiness",
    "KHR_materials_unlit",
    "KHR_mesh_quantization",
    "KHR_node_visibility",
    "KHR_texture_transform",
})  # fmt: skip
PASSED_OVER_EXTENSIONS = frozenset({
    "KHR_animation_pointer",
    "KHR_lights_punctual",
    "KHR_materials_anisotropy",
    "KHR_materials_clearcoat",
    "KHR_materials_diffuse_transmission",
    "KHR_materials_dispersion",
    "KHR_materials_emissive_strength",
    "KHR_materials_ior",
    "KHR_materials_iridescence",
    "KHR_materials_sheen",
    "KHR_materials_specular",
    "KHR_materials_transmission",
    "KHR_materials_variants",
    "KHR_materials_volume",
    "KHR_xmp_json_ld",
})  # fmt: skip
"""They add to what a part looks like or say things about the file; shape, place and base colour are right without."""

_UNPACK = "unpack it with 'gltfpack -noq -kn -km -i mesh.glb -o unpacked.glb'"
_WAYS_OUT = {
    "EXT_meshopt_compression": _UNPACK,
    "KHR_meshopt_compression": _UNPACK,
    "KHR_texture_basisu": "unpack its textures with 'gltf-transform ktxdecompress mesh.glb unpacked.glb'",
}
"""Of extensions that pack what can be unpacked; gltfpack would join parts unless it is to keep names and materials."""

_COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_MOST_VALUES = 10**9
_ONE_FILE = "export it as GLB with everything in one file"


class GlbFile:
    """A GLB that is read whole; whatever its indices point to is looked up with care.

    Args:
        path: of the file.

    Raises:
        InputError: it is no GLB of glTF 2.0, or requires an extension that is not read.
        ValueError: it is damaged; so do all methods, or raise whatever else a damaged file trips them up with.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.json, self._binary = _chunks(path)
        version = self.json["asset"].get("minVersion", self.json["asset"]["version"])
        if float(version) != 2.0:
            raise InputError(path, f"is of glTF version {version}, which is not read", "export it as glTF 2.0")
        for name in self.json.get("extensionsRequired", []):
            if name not in READ_EXTENSIONS | PASSED_OVER_EXTENSIONS:
                raise self.unread(name)
        self._images: dict[int, Image.Image] = {}

    def unread(self, extension: str) -> InputError:
        """Return the error of a file that is nothing without an extension."""
        remedy = _WAYS_OUT.get(extension, "export it without")
        return InputError(self.path, f"requires the glTF extension {extension}, which is not read", remedy)

    @property
    def unknown_extensions(self) -> list[str]:
        """Those that the file uses but does not require, and of which nothing is known here."""
        used = self.json.get("extensionsUsed", [])
        return [name for name in used if name not in READ_EXTENSIONS | PASSED_OVER_EXTENSIONS]

    def entry(self, kind: str, index: Any) -> dict[str, Any]:
        """Return an entry of one of the file's lists, e.g. of ``"nodes"``."""
        entries = self.json.get(kind, [])
        if type(index) is not int or not 0 <= index < len(entries):
            raise ValueError(f"{kind} has no entry {index!r}")
        entry = entries[index]
        if not isinstance(entry, dict):
            raise ValueError(f"entry {index} of {kind} is no object")
        return entry

    def has_data(self, accessor: Any) -> bool:
        """Whether an array is in the file itself, not in what an extension packed."""
        entry = self.entry("accessors", accessor)
        return "bufferView" in entry or "sparse" in entry

    def array(self, accessor: Any) -> np.ndarray:
        """Return an array, (count, width), with the values that its integers stand for."""
        entry = self.entry("accessors", accessor)
        dtype, width, count = np.dtype(_COMPONENTS[entry["componentType"]]), _WIDTHS[entry["type"]], entry["count"]
        if type(count) is not int or not 0 < count * width <= _MOST_VALUES:
            raise ValueError(f"accessor {accessor} has {count!r} entries")
        if "bufferView" in entry:
            values = self._strided(entry["bufferView"], entry.get("byteOffset", 0), dtype, count, width)
        elif "sparse" in entry:
            values = np.zeros((count, width), dtype)
        else:
            raise ValueError(f"accessor {accessor} has no data")
        if "sparse" in entry:
            values = self._with_exceptions(values, entry["sparse"])
        return self.as_real(accessor, values)

    def as_real(self, accessor: Any, values: np.ndarray) -> np.ndarray:
        """Return values of an array with those that its integers stand for: normalised ones are shares of the most."""
        if not self.entry("accessors", accessor).get("normalized", False) or values.dtype.kind == "f":
            return values
        return np.maximum(values / np.iinfo(values.dtype).max, -1.0)

    def view(self, index: Any) -> bytes:
        """Return the bytes of a view of a buffer."""
        view = self.entry("bufferViews", index)
        packed = [name for name in view.get("extensions", {}) if name not in READ_EXTENSIONS]
        try:
            data = self._buffer(view["buffer"])
        except ValueError as error:
            raise self.unread(packed[0]) if packed else error from error
        start, length = view.get("byteOffset", 0), view["byteLength"]
        if type(start) is not int or type(length) is not int or start < 0 or length < 1 or start + length > len(data):
            raise ValueError(f"view {index} is not within its buffer")
        return data[start : start + length]

    def image(self, index: Any) -> Image.Image:
        """Return an image, decoded.

        Raises:
            OSError: it cannot be decoded.
        """
        if index not in self._images:
            entry = self.entry("images", index)
            data = self.view(entry["bufferView"]) if "bufferView" in entry else self._from_uri(entry["uri"])
            self._images[index] = decode_texture(data)
        return self._images[index]

    def _strided(self, view: Any, offset: Any, dtype: np.dtype, count: int, width: int) -> np.ndarray:
        data, stride = self.view(view), self.entry("bufferViews", view).get("byteStride", dtype.itemsize * width)
        if type(stride) is not int or type(offset) is not int or stride < dtype.itemsize * width or offset < 0:
            raise ValueError(f"view {view} has no such layout")
        return np.ndarray((count, width), dtype, data, offset, (stride, dtype.itemsize)).copy()

    def _with_exceptions(self, values: np.ndarray, sparse: dict[str, Any]) -> np.ndarray:
        places, replaced, count = sparse["indices"], sparse["values"], sparse["count"]
        dtype = np.dtype(_COMPONENTS[places["componentType"]])
        at = self._strided(places["bufferView"], places.get("byteOffset", 0), dtype, count, 1)[:, 0].astype(np.int64)
        if at.min() < 0:
            raise ValueError("a sparse accessor has a negative index")
        values[at] = self._strided(
            replaced["bufferView"], replaced.get("byteOffset", 0), values.dtype, count, values.shape[1]
        )
        return values

    def _buffer(self, index: Any) -> bytes:
        buffer = self.entry("buffers", index)
        data = self._from_uri(buffer["uri"]) if "uri" in buffer else self._binary if index == 0 else b""
        length = buffer["byteLength"]
        if type(length) is not int or not 0 < length <= len(data):
            raise ValueError(f"buffer {index} is not {length!r} bytes long")
        return data[:length]

    def _from_uri(self, uri: str) -> bytes:
        head, comma, data = uri.partition(",")
        if not head.startswith("data:"):
            raise InputError(self.path, f"keeps part of its content in another file ({uri})", _ONE_FILE)
        if not comma or not head.endswith(";base64"):
            raise ValueError("a data URI that is not in base64")
        try:
            return base64.b64decode(data, validate=True)
        except binascii.Error as error:
            raise ValueError("base64 that is damaged") from error


def _chunks(path: Path) -> tuple[dict[str, Any], bytes]:
    """Return the JSON and the binary chunk."""
    data = path.read_bytes()
    if data[:3] == b"\xef\xbb\xbf" or data.lstrip()[:1] == b"{":
        raise InputError(path, "is a .gltf file by another name: text with its data elsewhere", _ONE_FILE)
    magic, version, length = struct.unpack("<4sII", data[:12])
    if magic != b"glTF":
        raise ValueError("no GLB")
    if version == 1:
        raise InputError(path, "is a GLB of version 1, which is not read", "export it as glTF 2.0")
    if version != 2 or length > len(data):
        raise ValueError("cut off")
    kinds, contents, start = [], [], 12
    while start < length:
        size, kind = struct.unpack("<I4s", data[start : start + 8])
        start += 8 + size
        if start > length:
            raise ValueError("a chunk is cut off")
        kinds.append(kind)
        contents.append(data[start - size : start])
    if kinds[:1] != [b"JSON"]:
        raise ValueError("the first chunk is no JSON")
    header = json.loads(contents[0])
    if not isinstance(header, dict):
        raise ValueError("the JSON is no object")
    return header, contents[1] if kinds[1:2] == [b"BIN\0"] else b""
