"""What parts are made of: composition for X-rays, colour and finish for cameras.

Compositions are nominal ones of the named grades: alloys by the middle of their standards' ranges (EN 573-3 for
aluminium, ASTM A240 for 316L, DIN 17663 for nickel silver), glasses, ceramics, polymers and air by formula or from
the NIST tables of compounds (NISTIR 5632, with their densities), batteries and laminates as the blend of their layers
by volume.
"""

from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import xraydb
from pydantic import Field, PositiveFloat, field_validator

from rgbx.config import Config


class Material(Config):
    """A homogeneous material."""

    name: str
    density: PositiveFloat
    """g/cm³."""
    mass_fractions: dict[str, float]
    """Share of each element, by symbol; they sum to 1."""
    colour: str = Field(pattern=r"^#[0-9a-f]{6}$")
    """sRGB of a bare surface as ``#rrggbb``."""
    metallic: float = Field(ge=0, le=1)
    roughness: float = Field(ge=0, le=1)

    @field_validator("mass_fractions")
    @classmethod
    def _sum_to_one(cls, fractions: dict[str, float]) -> dict[str, float]:
        if abs(sum(fractions.values()) - 1) > 1e-6:
            raise ValueError(f"the mass fractions sum to {sum(fractions.values())}, not 1")
        return fractions

    def attenuation(self, energies_kev: np.ndarray | float) -> np.ndarray:
        """Return the total linear attenuation coefficient in 1/mm at each energy (keV), from xraydb's Elam tables."""
        energies_ev = 1000.0 * np.atleast_1d(np.asarray(energies_kev, dtype=float))
        mass_attenuation = sum(
            fraction * xraydb.mu_elam(element, energies_ev) for element, fraction in self.mass_fractions.items()
        )
        return np.asarray(0.1 * self.density * mass_attenuation)


def _elements(**weights: float) -> dict[str, float]:
    """Normalise weights of elements to mass fractions."""
    total = sum(weights.values())
    return {element: weight / total for element, weight in weights.items()}


def _formula(formula: str) -> dict[str, float]:
    """Return the mass fractions of a chemical formula."""
    return _elements(
        **{element: count * xraydb.atomic_mass(element) for element, count in xraydb.chemparse(formula).items()}
    )


def _mixture(by_mass: Mapping[str, float]) -> dict[str, float]:
    """Return the mass fractions of a mixture of formulas by mass."""
    weights: dict[str, float] = defaultdict(float)
    for formula, share in by_mass.items():
        for element, fraction in _formula(formula).items():
            weights[element] += share * fraction
    return _elements(**weights)


_SOLIDS = (
    # Metals.
    Material(name="aluminium", density=2.71, colour="#b9bbbd", metallic=1.0, roughness=0.45,
             mass_fractions=_elements(Al=96.4, Mg=1.0, Si=0.8, Cu=0.9, Mn=0.5, Fe=0.3, Zn=0.1)),  # 6013
    Material(name="steel", density=7.98, colour="#a7a8aa", metallic=1.0, roughness=0.25,
             mass_fractions=_elements(Fe=65.4, Cr=17.0, Ni=12.0, Mo=2.5, Mn=2.0, Si=0.75, P=0.045)),  # 316L
    Material(name="copper", density=8.96, colour="#b87333", metallic=1.0, roughness=0.35, mass_fractions={"Cu": 1.0}),
    Material(name="nickel_silver", density=8.70, colour="#b5b1a6", metallic=1.0, roughness=0.35,
             mass_fractions=_elements(Cu=64, Ni=18, Zn=18)),  # CuNi18Zn18: stamped shield cans
    Material(name="gold", density=19.3, colour="#d4af37", metallic=1.0, roughness=0.2, mass_fractions={"Au": 1.0}),
    Material(name="solder", density=7.40, colour="#c2c4c6", metallic=1.0, roughness=0.4,
             mass_fractions=_elements(Sn=96.5, Ag=3.0, Cu=0.5)),  # SAC305
    Material(name="tungsten_alloy", density=17.5, colour="#6f7073", metallic=1.0, roughness=0.5,
             mass_fractions=_elements(W=93, Ni=4.9, Fe=2.1)),  # vibrating mass
    Material(name="ndfeb", density=7.50, colour="#8f9092", metallic=1.0, roughness=0.4,
             mass_fractions=_elements(Nd=29, Dy=2, Fe=68, B=1)),  # sintered magnet
    Material(name="tantalum", density=16.65, colour="#5a5f66", metallic=1.0, roughness=0.6,
             mass_fractions={"Ta": 1.0}),
    # Ceramics, glasses, semiconductors.
    Material(name="cover_glass", density=2.42, colour="#0a0a0c", metallic=0.0, roughness=0.06,
             mass_fractions=_mixture({"SiO2": 61, "Al2O3": 17, "Na2O": 13, "K2O": 4, "MgO": 5})),  # aluminosilicate
    Material(name="soda_lime_glass", density=2.50, colour="#d8e0dc", metallic=0.0, roughness=0.05,
             mass_fractions=_mixture({"SiO2": 73, "Na2O": 14, "CaO": 9, "MgO": 4})),
    Material(name="sapphire", density=3.98, colour="#101016", metallic=0.0, roughness=0.03,
             mass_fractions=_formula("Al2O3")),
    Material(name="alumina", density=3.85, colour="#efece4", metallic=0.0, roughness=0.6,
             mass_fractions=_formula("Al2O3")),
    Material(name="barium_titanate", density=5.85, colour="#b59a78", metallic=0.0, roughness=0.6,
             mass_fractions=_formula("BaTiO3")),  # ceramic capacitors
    Material(name="ferrite", density=4.90, colour="#2f2f31", metallic=0.0, roughness=0.7,
             mass_fractions=_mixture({"Fe2O3": 66, "MnO": 21, "ZnO": 13})),
    Material(name="silicon", density=2.33, colour="#3c4048", metallic=0.3, roughness=0.2, mass_fractions={"Si": 1.0}),
    # Polymers.
    Material(name="polycarbonate", density=1.20, colour="#1b1b1d", metallic=0.0, roughness=0.5,
             mass_fractions=_formula("C16H14O3")),
    Material(name="epoxy", density=1.20, colour="#1d1d1f", metallic=0.0, roughness=0.6,
             mass_fractions=_formula("C21H25O5")),
    Material(name="polyimide", density=1.42, colour="#8a5a1e", metallic=0.0, roughness=0.5,
             mass_fractions=_formula("C22H10N2O5")),
    Material(name="polyethylene", density=0.95, colour="#e9e9e9", metallic=0.0, roughness=0.6,
             mass_fractions=_formula("C2H4")),
    Material(name="acrylic", density=1.19, colour="#e8eaec", metallic=0.0, roughness=0.1,
             mass_fractions=_formula("C5H8O2")),  # lens elements, flash diffuser
    # Battery layers, calendered (porous) densities.
    Material(name="lithium_cobalt_oxide", density=4.10, colour="#202022", metallic=0.0, roughness=0.8,
             mass_fractions=_mixture({"LiCoO2": 96, "C": 2, "C2H2F2": 2})),
    Material(name="graphite", density=1.75, colour="#2a2a2c", metallic=0.0, roughness=0.8, mass_fractions={"C": 1.0}),
    Material(name="electrolyte", density=1.25, colour="#e0e0e0", metallic=0.0, roughness=0.2,
             mass_fractions=_mixture({"C3H4O3": 44, "C5H10O3": 44, "LiPF6": 12})),
    Material(name="air", density=0.001205, colour="#ffffff", metallic=0.0, roughness=1.0,
             mass_fractions=_elements(N=75.5, O=23.2, Ar=1.3)),
)  # fmt: skip

MATERIALS: dict[str, Material] = {material.name: material for material in _SOLIDS}


def _blend(name: str, by_volume: Mapping[str, float], colour: str, metallic: float, roughness: float) -> Material:
    """Return the effective material of layers too thin to model one by one, given by their shares of volume."""
    total = sum(by_volume.values())
    weights: dict[str, float] = defaultdict(float)
    for layer, share in by_volume.items():
        for element, fraction in MATERIALS[layer].mass_fractions.items():
            weights[element] += share / total * MATERIALS[layer].density * fraction
    density = sum(weights.values())
    return Material(
        name=name,
        density=density,
        mass_fractions=_elements(**weights),
        colour=colour,
        metallic=metallic,
        roughness=roughness,
    )


def _add(*materials: Material) -> None:
    MATERIALS.update({material.name: material for material in materials})


_add(
    # One winding: two 50 µm cathode and two 55 µm anode coatings, 8 µm Cu, 14 µm Al, two 16 µm wet separators.
    _blend("battery_cell",
           {"lithium_cobalt_oxide": 100, "graphite": 110, "copper": 8, "aluminium": 14, "polyethylene": 16,
            "electrolyte": 16}, "#2b2b2e", 0.2, 0.5),
    # Nylon 25 µm, aluminium 40 µm, polypropylene 45 µm.
    _blend("pouch_laminate", {"polyethylene": 70, "aluminium": 40}, "#1f1f21", 0.3, 0.5),
    _blend("fr4", {"soda_lime_glass": 45, "epoxy": 55}, "#1f3d2b", 0.0, 0.6),
    _blend("flex", {"polyimide": 75, "copper": 25}, "#7a4a1a", 0.2, 0.5),
    _blend("winding", {"copper": 70, "polyimide": 30}, "#a8622c", 0.8, 0.4),  # enamelled wire
    _blend("oled", {"polyimide": 60, "soda_lime_glass": 25, "copper": 3, "epoxy": 12}, "#060608", 0.0, 0.1),
    _blend("moulded_chip", {"silicon": 35, "epoxy": 60, "copper": 5}, "#252527", 0.0, 0.6),
    _blend("solder_balls", {"solder": 35, "epoxy": 65}, "#9a9c9e", 0.5, 0.5),  # a ball-grid array with underfill
    # Steel strips and springs among polymer: clips, brackets and gaskets.
    _blend("bracket", {"steel": 45, "polycarbonate": 55}, "#6d6e70", 0.6, 0.5),
)  # fmt: skip
_add(
    # Ten 18 µm copper layers, 60 % covered, in 0.75 mm.
    _blend("circuit_board", {"fr4": 86, "copper": 14}, "#14351f", 0.0, 0.6),
    # The frame of copper vias that joins stacked boards.
    _blend("via_frame", {"fr4": 75, "copper": 25}, "#14351f", 0.0, 0.6),
)
# What plastic devices are made of besides. It comes last: numbers in label volumes are places in this list.
_add(
    Material(name="abs", density=1.05, colour="#1e1e20", metallic=0.0, roughness=0.55,
             mass_fractions=_formula("C15H17N")),
    Material(name="silicone", density=1.15, colour="#3a3a3d", metallic=0.0, roughness=0.75,
             mass_fractions=_formula("C2H6OSi")),  # rubber keys
    Material(name="phenolic_board", density=1.35, colour="#8a6534", metallic=0.0, roughness=0.6,
             mass_fractions=_mixture({"C7H6O": 55, "C6H10O5": 45})),  # FR-2: paper in phenolic resin
    # Alkaline cells: pressed cathode rings, zinc powder in gelled potassium hydroxide.
    Material(name="manganese_dioxide", density=3.1, colour="#1b1a1a", metallic=0.0, roughness=0.8,
             mass_fractions=_mixture({"MnO2": 88, "C": 7, "KOH": 2, "H2O": 3})),
    Material(name="zinc_gel", density=2.9, colour="#8e9296", metallic=0.3, roughness=0.6,
             mass_fractions=_mixture({"Zn": 68, "KOH": 11, "H2O": 21})),
    # Zinc-carbon cells: the can is the anode, the cathode a moist black mix.
    Material(name="zinc", density=7.13, colour="#9a9da0", metallic=1.0, roughness=0.4, mass_fractions={"Zn": 1.0}),
    Material(name="black_mix", density=2.0, colour="#1a1a1a", metallic=0.0, roughness=0.9,
             mass_fractions=_mixture({"MnO2": 50, "C": 12, "ZnCl2": 10, "H2O": 28})),
    Material(name="potassium_carbonate", density=1.4, colour="#e4e2da", metallic=0.0, roughness=0.9,
             mass_fractions=_formula("K2CO3")),  # the crust of a cell that has leaked, porous
)  # fmt: skip


@lru_cache(maxsize=8)
def attenuation_table(energy_kev: float) -> Mapping[str, float]:
    """Return every material's linear attenuation coefficient in 1/mm at one energy."""
    return {name: float(material.attenuation(energy_kev)[0]) for name, material in MATERIALS.items()}
