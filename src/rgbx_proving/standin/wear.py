"""What the years and other hands do to a unit: parts go missing or are replaced, glass cracks, frames bend.

A worn unit is again a part list, so that its photograph and its radiograph show the same damage. Parts are found by
what their names begin with (``"battery"``, ``"board/shield-2"``, ``"screw-05"``), and what can happen to them by what
they are: a pouch swells, a can leaks; glass cracks, a face without any loses its buttons. What a unit lacks cannot
break.
"""

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, Field

from rgbx.config import Config, Range
from rgbx.files import digest
from rgbx.registry import Registry
from rgbx.samples import generator
from rgbx_proving.standin.bending import bent, vector, weak_spots
from rgbx_proving.standin.paths import AIR, Solids
from rgbx_proving.units.materials import MATERIALS
from rgbx_proving.units.parts import Ellipsoid, Part, PartList, Prism

Probability = float

BATTERY = "battery|cell"
"""What batteries are called."""

WEARS: Registry["Change"] = Registry("kind of wear", "rgbx.wear", {})
"""Each a :data:`Change`; :class:`WearConfig` itself says how likely those of rgbx are."""


def _probability(default: float) -> Probability:
    return Field(default=default, ge=0, le=1)


class WearConfig(Config):
    """How likely each damage is for a unit; they are independent, but of the battery's three at most one happens."""

    battery_missing: Probability = _probability(0.10)
    battery_replaced: Probability = _probability(0.12)
    """By one of another make: a pouch of other size, a round cell of other chemistry."""
    battery_swollen: Probability = _probability(0.05)
    """Or leaked: a round cell does not swell."""
    front_cracked: Probability = _probability(0.20)
    """The front's glass; a face without any loses some of its buttons."""
    back_cracked: Probability = _probability(0.12)
    frame_bent: Probability = _probability(0.08)
    """Of metal; plastic springs back."""
    screws_missing: Probability = _probability(0.25)
    screws_replaced: Probability = _probability(0.10)
    """By ones of aluminium."""
    shields_missing: Probability = _probability(0.12)
    camera_missing: Probability = _probability(0.06)
    camera_replaced: Probability = _probability(0.06)
    """By one of other size."""
    haptic_missing: Probability = _probability(0.05)
    speaker_missing: Probability = _probability(0.04)
    sim_tray_missing: Probability = _probability(0.15)
    """Or what else comes off by hand, the lid of a battery compartment."""
    dirty: Probability = _probability(0.30)
    others: dict[Annotated[str, AfterValidator(WEARS.check)], Annotated[float, Field(ge=0, le=1)]] = Field(
        default_factory=dict
    )
    """Of further kinds of wear, by their names in :data:`WEARS`."""

    battery_scale: Range = (0.80, 0.96)
    """Of a replaced battery, in width and in height."""
    swelling_mm: Range = (0.6, 2.5)
    camera_scale: Range = (0.82, 1.10)
    bend_degrees: Range = (2.0, 9.0)
    crack_width_mm: Range = (0.03, 0.15)


def wear_unit(parts: PartList, seed: int, config: WearConfig | None = None) -> PartList:
    """Return the unit after its life; the same for the same unit, seed and configuration.

    Args:
        parts: the unit as it left the factory.
        seed: of the wear.
        config: how likely each damage is.

    Returns:
        The parts that are left, with what happened in ``wear``. Lines in cracked glass are parts ``"crack/…"`` of air,
        grains of dirt are parts ``"dirt/…"``.
    """
    config = config or WearConfig()
    rng = generator(int(digest("wear", str(seed), parts.device_class, parts.unit, config.digest()), 16))
    worn, story = list(parts.parts), list(parts.wear)
    for happens, change in _damages(config, rng):
        if happens:
            changed, what = change(worn, config, rng)
            if what:
                worn, story = changed, [*story, what]
    return PartList(device_class=parts.device_class, unit=parts.unit, parts=tuple(worn), wear=tuple(story))


Change = Callable[[list[Part], WearConfig, np.random.Generator], tuple[list[Part], str]]
"""Returns the parts after the damage, and the damage in words; no words where there is nothing to damage."""


def _damages(config: WearConfig, rng: np.random.Generator) -> list[tuple[bool, Change]]:
    """Return every damage with whether it happens, the one that bends all others last."""
    battery = rng.random()
    missing, replaced, swollen = np.cumsum([config.battery_missing, config.battery_replaced, config.battery_swollen])
    chances: list[tuple[Probability, Change]] = [
        (config.screws_missing, _lose_some("screw", "screws missing", (0.1, 0.7))),
        (config.screws_replaced, _replace_screws),
        (config.shields_missing, _lose_some("shield", "shields missing", (0.2, 0.8))),
        (config.camera_missing, _lose_some("camera", "camera missing", (0.0, 0.0))),
        (config.camera_replaced, _replace_camera),
        (config.haptic_missing, _lose_all("haptic", "vibration motor missing")),
        (config.speaker_missing, _lose_some("speaker", "speaker missing", (0.0, 0.0))),
        (config.sim_tray_missing, _either(_lose_all("sim", "SIM tray missing", but="cage"), _LOSE_LID)),
        (config.front_cracked, _crack_front),
        (config.back_cracked, _crack_back),
        (config.dirty, _soil),
        *((chance, WEARS[name]) for name, chance in config.others.items()),
        (config.frame_bent, _bend),
    ]
    return [
        (battery < missing, _lose_all(BATTERY, "battery missing")),
        (missing <= battery < replaced, _replace_battery),
        (replaced <= battery < swollen, _swell_battery),
        *((bool(rng.random() < chance), change) for chance, change in chances),
    ]


# --- Finding parts ---------------------------------------------------------------------------------------------------


def groups(parts: Sequence[Part], word: str, holes: bool = False) -> dict[str, list[int]]:
    """Return the components called ``word``, each with the positions of its parts.

    A component is called by the beginning of its name or of what follows a dash: ``"camera"`` finds ``"camera-1/can"``
    and ``"camera-1/magnet"`` as one component, ``"shield"`` finds ``"board/back-2-shield"``.

    Args:
        parts: the unit.
        word: what the component is; of several words, ``"battery|cell"``, any.
        holes: whether its parts of air belong to it; what goes missing leaves its holes behind.
    """
    called = re.compile(rf"(^|[-_])({word})")
    found: dict[str, list[int]] = {}
    for position, part in enumerate(parts):
        names = part.name.split("/")
        depth = next((depth for depth, name in enumerate(names) if called.search(name)), None)
        if depth is not None and (holes or part.material != AIR):
            found.setdefault("/".join(names[: depth + 1]), []).append(position)
    return found


def _box(parts: Sequence[Part]) -> tuple[np.ndarray, np.ndarray]:
    """Return the low and the high corner of the parts' common bounding box."""
    corners = Solids.of(parts).corners().reshape(-1, 3)
    return corners.min(axis=0), corners.max(axis=0)


def _covers(parts: Sequence[Part]) -> list[Part]:
    """Return what one sees of a unit's faces: the outside parts that span most of its width and height."""
    low, high = _box(parts)
    spans = {part.name: np.subtract(*_box([part])[::-1]) for part in parts if part.outside and part.material != AIR}
    return [part for part in parts if part.name in spans and (spans[part.name] > 0.7 * (high - low))[:2].all()]


# --- Parts that go or are replaced -----------------------------------------------------------------------------------


def _either(first: Change, otherwise: Change) -> Change:
    """Do the first damage, or another where there is nothing for the first."""

    def change(parts: list[Part], config: WearConfig, rng: np.random.Generator) -> tuple[list[Part], str]:
        changed, what = first(parts, config, rng)
        return (changed, what) if what else otherwise(parts, config, rng)

    return change


def _lose_all(word: str, what: str, but: str | None = None) -> Change:
    """Lose all components called ``word``, except for what in them is called ``but``."""

    def change(parts: list[Part], _: WearConfig, __: np.random.Generator) -> tuple[list[Part], str]:
        lost = {position for members in groups(parts, word).values() for position in members}
        if but is not None:
            lost -= {position for members in groups(parts, but).values() for position in members}
        return [part for position, part in enumerate(parts) if position not in lost], what if lost else ""

    return change


def _lose_some(word: str, what: str, share: tuple[float, float]) -> Change:
    """Lose a random share of the components called ``word``, at least one."""

    def change(parts: list[Part], _: WearConfig, rng: np.random.Generator) -> tuple[list[Part], str]:
        found = groups(parts, word)
        if not found:
            return parts, ""
        count = max(1, round(rng.uniform(*share) * len(found)))
        lost = {position for name in rng.choice(sorted(found), count, replace=False) for position in found[str(name)]}
        words = f"{count} {what}" if what.endswith("s missing") else what
        return [part for position, part in enumerate(parts) if position not in lost], words

    return change


_LOSE_LID = _lose_all("lid", "battery lid missing")
_LOSE_BUTTONS = _lose_some("button", "buttons missing", (0.05, 0.3))


def _replace_screws(parts: list[Part], _: WearConfig, rng: np.random.Generator) -> tuple[list[Part], str]:
    found = groups(parts, "screw")
    replaced = {position for members in found.values() if rng.random() < 0.5 for position in members}
    changed = [
        part.model_copy(update={"material": "aluminium"}) if position in replaced else part
        for position, part in enumerate(parts)
    ]
    return changed, "screws replaced" if replaced else ""


def _replace_camera(parts: list[Part], config: WearConfig, rng: np.random.Generator) -> tuple[list[Part], str]:
    found = groups(parts, "camera", holes=True)
    if not found:
        return parts, ""
    chosen = found[str(rng.choice(sorted(found)))]
    side = rng.uniform(*config.camera_scale)
    return _scaled(parts, chosen, np.array([side, side, 1.0])), "camera replaced"


def _replace_battery(parts: list[Part], config: WearConfig, rng: np.random.Generator) -> tuple[list[Part], str]:
    found = groups(parts, BATTERY)
    scale = np.array([rng.uniform(*config.battery_scale), rng.uniform(*config.battery_scale), 1.0])
    before = parts
    for members in found.values():
        parts = _zinc_carbon(parts, members) if _is_round(parts, members) else _scaled(parts, members, scale)
    return parts, "battery replaced" if parts != before else ""


def _is_round(parts: Sequence[Part], members: Sequence[int]) -> bool:
    """Whether a battery is a can of a standard size, not a pouch: its largest part is a cylinder."""
    shape = max((parts[position].shape for position in members), key=lambda shape: np.prod(shape.size))
    return isinstance(shape, Prism) and shape.size[0] == shape.size[1] and shape.radius > 0.499 * shape.size[0]


ZINC_CARBON = {"steel": "zinc", "manganese_dioxide": "black_mix", "zinc_gel": "black_mix", "nickel_silver": "graphite"}
"""What a cell of zinc and carbon has where an alkaline one of the same size has something else."""


def _zinc_carbon(parts: list[Part], members: Sequence[int]) -> list[Part]:
    """Put a cell of zinc and carbon in the place of an alkaline one; of other round cells there is but one make."""
    if not any(parts[position].material == "manganese_dioxide" for position in members):
        return parts
    made_of = {position: ZINC_CARBON.get(parts[position].material, parts[position].material) for position in members}
    return [
        part.model_copy(update={"material": made_of.get(position, part.material)})
        for position, part in enumerate(parts)
    ]


def _scaled(parts: list[Part], chosen: Sequence[int], scale: np.ndarray) -> list[Part]:
    """Scale a component about its middle along x, y and z."""
    low, high = _box([parts[position] for position in chosen])
    middle = (low + high) / 2
    result = list(parts)
    for position in chosen:
        part = parts[position]
        # A turned part is scaled along its own axes by what its turned frame sees of the scale.
        local = np.abs(part.rotation_matrix().T) ** 2 @ scale
        size = vector(local * part.shape.size)
        shape: dict[str, object] = {"size": size}
        if isinstance(part.shape, Prism):
            shape["radius"] = min(part.shape.radius * float(min(local[:2])), min(size[:2]) / 2)
        result[position] = part.model_copy(
            update={
                "shape": part.shape.model_copy(update=shape),
                "position": vector(middle + scale * (part.position - middle)),
            }
        )
    return result


def _swell_battery(parts: list[Part], config: WearConfig, rng: np.random.Generator) -> tuple[list[Part], str]:
    """Lift what lies on the battery; it swells with gas, so that X-rays find no more matter in it than before."""
    found = groups(parts, BATTERY)
    round_cells = [group for group in found.values() if _is_round(parts, group)]
    if round_cells:
        return _leaked(parts, round_cells[int(rng.integers(len(round_cells)))], rng), "battery leaked"
    members = [parts[position] for group in found.values() for position in group]
    if not members:
        return parts, ""
    growth = rng.uniform(*config.swelling_mm)
    low, high = _box(members)
    lifted = [
        part.model_copy(update={"position": (*part.position[:2], part.position[2] + growth)})
        if part.position[2] >= high[2] and (part.outside or _above(part, low, high))
        else part
        for part in parts
    ]
    return lifted, "battery swollen"


def _leaked(parts: list[Part], cell: Sequence[int], rng: np.random.Generator) -> list[Part]:
    """Grow a crust round one end of a cell; what is there already stays where it is, in the crust."""
    low, high = _box([parts[position] for position in cell])
    along = int(np.argmax(high - low))
    end = (low + high) / 2
    end[along] = (low, high)[rng.integers(2)][along]
    breadth = np.sort(high - low)[1]
    crust = [
        Part(
            name=f"leak/crust-{number}",
            shape=Ellipsoid(size=vector(breadth * rng.uniform(0.2, 0.7, 3))),
            position=vector(end + 0.4 * breadth * rng.uniform(-1, 1, 3)),
            material="potassium_carbonate",
        )
        for number in range(rng.integers(3, 8))
    ]
    return [*parts[: cell[0]], *crust, *parts[cell[0] :]]


def _above(part: Part, low: np.ndarray, high: np.ndarray) -> bool:
    """Whether a part reaches over the area between two corners."""
    part_low, part_high = _box([part])
    return bool((part_low < high)[:2].all() and (part_high > low)[:2].all())


def _shifted(part: Part, by: np.ndarray) -> Part:
    return part.model_copy(update={"position": vector(part.position + by)})


# --- Cracks and dirt ------------------------------------------------------------------------------------------------


def _crack_front(parts: list[Part], config: WearConfig, rng: np.random.Generator) -> tuple[list[Part], str]:
    return _either(partial(_crack, side="front"), _LOSE_BUTTONS)(parts, config, rng)


def _crack_back(parts: list[Part], config: WearConfig, rng: np.random.Generator) -> tuple[list[Part], str]:
    return _crack(parts, config, rng, side="back")


def _crack(parts: list[Part], config: WearConfig, rng: np.random.Generator, side: str) -> tuple[list[Part], str]:
    """Cut lines that spread from an impact near the edge through the pane on one side."""
    sign = 1 if side == "front" else -1
    panes = [part for part in _covers(parts) if "glass" in part.material and sign * part.position[2] > 0]
    if not panes:
        return parts, ""
    pane = max(panes, key=lambda part: part.shape.size[2])  # what is printed on it is thinner
    low, high = _box([pane])
    half = (high[:2] - low[:2]) / 2
    edge = int(rng.integers(2))  # the impact is near an edge that runs along y or along x
    impact = rng.uniform(-0.9, 0.9, 2)
    impact[edge] = rng.choice([-1, 1]) * rng.uniform(0.6, 0.95)
    impact *= half
    lines = []
    for _ in range(rng.integers(5, 11)):
        point, heading = impact, rng.uniform(0, 2 * np.pi)
        for _ in range(rng.integers(2, 6)):
            length = rng.uniform(0.1, 0.35) * half[1]
            heading += rng.normal(0, 0.35)
            end = np.clip(point + length * np.array([np.cos(heading), np.sin(heading)]), -half, half)
            if np.linalg.norm(end - point) > 0.5:
                lines.append((point, end))
            point = end
    count = sum(part.name.startswith(f"crack/{side}") for part in parts)
    cuts = [
        Part(
            name=f"crack/{side}-{count + number:02d}",
            shape=Prism(
                size=(float(np.linalg.norm(end - start)), rng.uniform(*config.crack_width_mm), float(high[2] - low[2]))
            ),
            position=vector(np.array([*((start + end) / 2), 0.0]) + (low + high) / 2),
            rotation=(0.0, 0.0, float(np.degrees(np.arctan2(*(end - start)[::-1])))),
            material=AIR,
        )
        for number, (start, end) in enumerate(lines)
    ]
    return [*parts, *cuts], f"{side} glass cracked"


def _soil(parts: list[Part], _: WearConfig, rng: np.random.Generator) -> tuple[list[Part], str]:
    """Strew grains of sand and metal over both faces."""
    low, high = _box(_covers(parts) or parts)
    grains = []
    for number in range(rng.integers(5, 40)):
        size = rng.uniform(0.2, 1.2, 3) * (1, 1, 0.5)
        face = high[2] + size[2] / 2 if rng.random() < 0.5 else low[2] - size[2] / 2
        sand = rng.random() < 0.85
        grains.append(
            Part(
                name=f"dirt/grain-{number:02d}",
                shape=Ellipsoid(size=vector(size)),
                position=(*(float(value) for value in rng.uniform(0.95 * low[:2], 0.95 * high[:2])), float(face)),
                rotation=(0.0, 0.0, float(rng.uniform(0, 180))),
                material="soda_lime_glass" if sand else "steel",
                outside=True,
                colour="#7a6a52" if sand else None,
            )
        )
    return [*parts, *grains], "dirty"


def _bend(parts: list[Part], config: WearConfig, rng: np.random.Generator) -> tuple[list[Part], str]:
    if not any(MATERIALS[part.material].metallic == 1.0 for part in _covers(parts)):
        return parts, ""
    low, high = _box(parts)
    middle = rng.choice(weak_spots(parts, low[1] + np.linspace(0.2, 0.8, 25) * (high[1] - low[1])))
    degrees = rng.choice([-1, 1]) * rng.uniform(*config.bend_degrees)
    return bent(parts, degrees, middle, (low[2] + high[2]) / 2), "frame bent"
