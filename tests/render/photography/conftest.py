from pathlib import Path

import pytest

from rgbx_proving.units.part_mesh import build_mesh, write_mesh
from rgbx_proving.units.parts import Part, PartList, Prism, write_parts
from rgbx_render.devices.library import Library


def phone(device_class: str, number: int, lenses: int) -> PartList:
    """A phone reduced to what a camera sees of it."""
    colour = ("#2f4f7f", "#8a3b3b", "#d8d4c8")[number % 3]
    parts = [
        Part(name="frame", shape=Prism(size=(71, 147, 7.6), radius=11), position=(0, 0, 0), material="aluminium",
             outside=True, colour="#8f9093"),
        Part(name="front", shape=Prism(size=(68, 144, 0.4), radius=9.5), position=(0, 0, 3.9),
             material="soda_lime_glass", outside=True, colour="#0b0c0f"),
        Part(name="back", shape=Prism(size=(68, 144, 0.4), radius=9.5), position=(0, 0, -3.9),
             material="soda_lime_glass", outside=True, colour=colour),
        Part(name="island", shape=Prism(size=(31, 31, 1.6), radius=8), position=(-16, 53, -4.7), material="aluminium",
             outside=True, colour=colour),
        *(
            Part(name=f"lens-{lens}", shape=Prism(size=(11, 11, 1), radius=5.5), position=(-23 + 14 * lens, 53, -5.9),
                 material="soda_lime_glass", outside=True, colour="#050508")
            for lens in range(lenses)
        ),
    ]  # fmt: skip
    return PartList(device_class=device_class, unit=f"{device_class}-{number:03d}", parts=tuple(parts))


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """Two classes of two units each, with meshes and part lists."""
    folder: Path = tmp_path_factory.mktemp("phones")
    for device_class, lenses in (("A", 1), ("B", 2)):
        for number in (1, 2):
            parts = phone(device_class, number, lenses)
            unit = folder / device_class / parts.unit
            write_parts(unit / "parts.json", parts)
            write_mesh(unit / "mesh.glb", build_mesh(parts))
    return Library.open(folder)
