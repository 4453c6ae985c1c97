"""Valid images of every format, and what may become of them: cut off, overwritten, or made to fill the memory."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pydicom
import tifffile
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from radiograph_files import write_dicom

RADIOGRAPH = np.random.default_rng(0).integers(9000, 60000, (48, 64)).astype(np.uint16)
PHOTOGRAPH = np.random.default_rng(1).integers(0, 255, (48, 64, 3)).astype(np.uint8)
MAGICS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"II*\0", b"MM\0*", b"II+\0", b"BM", b"GIF89a", b"PK\3\4")
ENORMOUS = (0, 1, 15, 19_999, 20_001, 65_535, 2**31 - 1, 2**32 - 1)


def valid_images(folder: Path) -> list[Path]:
    """Write one image of each kind."""
    tiffs: dict[str, dict] = {
        "plain": {},
        "deflate": {"compression": "zlib"},
        "tiled": {"tile": (16, 16)},
        "lzw-tiled": {"tile": (32, 32), "compression": "lzw", "predictor": True},
    }
    for name, options in tiffs.items():
        tifffile.imwrite(folder / f"{name}.tif", RADIOGRAPH, **options)
    cv2.imwrite(str(folder / "deep.png"), RADIOGRAPH)
    cv2.imwrite(str(folder / "shallow.png"), (RADIOGRAPH >> 8).astype(np.uint8))
    cv2.imwrite(str(folder / "photo.png"), PHOTOGRAPH)
    cv2.imwrite(str(folder / "photo.jpg"), PHOTOGRAPH)
    write_dicom(folder / "native.dcm", RADIOGRAPH)
    compressed = pydicom.dcmread(folder / "native.dcm")
    compressed.compress(RLELossless)
    compressed.save_as(folder / "rle.dcm")
    return sorted(folder.iterdir())


def damaged_images(valid: list[Path], folder: Path, count: int) -> list[Path]:
    """Write ``count`` damaged images: the bombs once each, the others in turn, all by a fixed seed."""
    rng = np.random.default_rng(7)
    paths = []
    for number, (suffix, content) in zip(range(count), _damages(valid, rng), strict=False):
        paths.append(folder / f"damaged-{number:03d}{suffix}")
        paths[-1].write_bytes(content)
    return paths


def _damages(valid: list[Path], rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    yield from ((".png", bomb) for bomb in _png_bombs())
    yield from ((".tif", bomb) for bomb in _tiff_bombs(valid[0].parent))
    yield ".dcm", _dicom_bomb(valid[0].parent / "native.dcm")
    damages = (_cut, _flip, _flip_head, _foreign_head, _enormous, _repeat, _noise)
    while True:
        for path in valid:
            for damage in damages:
                yield path.suffix, damage(path.read_bytes(), rng)


def _cut(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: rng.integers(1, len(content))]


def _flip(content: bytes, rng: np.random.Generator) -> bytes:
    return _overwritten(content, rng, len(content), int(rng.integers(1, 40)))


def _flip_head(content: bytes, rng: np.random.Generator) -> bytes:
    """Damage where the format's own fields are: at the beginning and, in TIFF and DICOM, wherever it likes."""
    return _overwritten(content, rng, min(len(content), 700), int(rng.integers(1, 6)))


def _foreign_head(content: bytes, rng: np.random.Generator) -> bytes:
    magic = MAGICS[rng.integers(len(MAGICS))]
    return magic + content[len(magic) :]


def _enormous(content: bytes, rng: np.random.Generator) -> bytes:
    """Write huge or absurd numbers where the width and the height stand."""
    wide, high = (ENORMOUS[place] for place in rng.integers(len(ENORMOUS), size=2))
    if content.startswith(b"\x89PNG"):
        header = content[12:16] + struct.pack(">II", wide, high) + content[24:29]
        return content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]
    if content.startswith(b"\xff\xd8"):
        place = content.index(b"\xff\xc0") + 5
        return content[:place] + struct.pack(">HH", wide & 0xFFFF, high & 0xFFFF) + content[place + 4 :]
    changed = bytearray(content)
    for value, new in ((RADIOGRAPH.shape[1], wide), (RADIOGRAPH.shape[0], high)):
        for width, code in ((4, "<I"), (2, "<H")):
            place = content.find(struct.pack(code, value))
            if place >= 0:
                changed[place : place + width] = struct.pack(code, new & (2 ** (8 * width) - 1))
    return bytes(changed)


def _repeat(content: bytes, rng: np.random.Generator) -> bytes:
    """Put a piece of the file in again: two headers, tags twice, offsets that point elsewhere."""
    start, stop = sorted(rng.integers(0, len(content), 2))
    return content[:stop] + content[start:]


def _noise(content: bytes, rng: np.random.Generator) -> bytes:
    kept = int(rng.choice([0, 4, 132, 200]))
    return content[:kept] + rng.bytes(int(rng.integers(1, 2000)))


def _overwritten(content: bytes, rng: np.random.Generator, within: int, count: int) -> bytes:
    changed = bytearray(content)
    for place in rng.integers(0, within, count):
        changed[place] = rng.integers(256)
    return bytes(changed)


# --- small files that expand to gigabytes ---


def _zeros_deflated(raw: bool = False, megabytes: int = 2048) -> bytes:
    """Return a deflate stream of zeros, a block repeated; whoever checks the sum at its end has inflated it all."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    stream = block * megabytes + packer.flush(zlib.Z_FINISH)
    return stream if raw else b"\x78\x9c" + stream + bytes(4)


def _png_bombs() -> Iterator[bytes]:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    zeros, fewer = _zeros_deflated(), _zeros_deflated(megabytes=256)
    for wide, high, bits, colour in (
        (14_000, 14_000, 16, 6),
        (13_000, 13_000, 8, 2),
        (64, 48, 16, 0),
        (1, 2**31, 8, 0),
    ):
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", wide, high, bits, colour, 0, 0, 0))
        yield MAGICS[0] + header + chunk(b"IDAT", zeros if wide > 64 else fewer) + chunk(b"IEND", b"")
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 48, 16, 0, 0, 0, 0))
    for text in (chunk(b"zTXt", b"Raw profile type exif\0\0" + zeros), chunk(b"iCCP", b"profile\0\0" + zeros)):
        yield MAGICS[0] + header + text + chunk(b"IDAT", zlib.compress(bytes(129 * 48))) + chunk(b"IEND", b"")


def _tiff_bombs(folder: Path) -> Iterator[bytes]:
    """A strip that expands far beyond the image, images that are all holes, and tiles larger than any memory."""
    for shape, kind, strip in (
        ((48, 64), "uint16", _zeros_deflated()),
        ((14_000, 14_000), "uint64", zlib.compress(b"0")),
        ((19_000, 10_000, 4), "uint16", zlib.compress(b"0")),
    ):
        options = {
            "compression": "zlib",
            "rowsperstrip": shape[0],
            "photometric": "rgb" if len(shape) == 3 else "minisblack",
        }
        tifffile.imwrite(folder / "bomb.tif", iter([strip]), shape=shape, dtype=kind, **options)
        yield (folder / "bomb.tif").read_bytes()
    tifffile.imwrite(folder / "bomb.tif", RADIOGRAPH, tile=(16, 16))
    with tifffile.TiffFile(folder / "bomb.tif") as tiff:
        places = {name: tiff.pages.first.tags[name].valueoffset for name in ("TileWidth", "TileLength")}
    content = bytearray((folder / "bomb.tif").read_bytes())
    for place in places.values():
        content[place : place + 2] = struct.pack("<H", 65_520)
    (folder / "bomb.tif").unlink()
    yield bytes(content)


def _dicom_bomb(path: Path) -> bytes:
    image = pydicom.dcmread(path)
    image.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    bomb = path.with_name("bomb.dcm")
    image.save_as(bomb, enforce_file_format=True)
    with bomb.open("rb") as content:
        pydicom.filereader.read_preamble(content, False)
        pydicom.filereader._read_file_meta_info(content)
        head = content.tell()
    whole = bomb.read_bytes()[:head] + _zeros_deflated(raw=True)
    bomb.unlink()
    return whole
