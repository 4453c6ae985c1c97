"""How the classes of a family differ, in words, straight from their designs: tables of docs/results/sp10.md, rc6.md.

``python -m rgbx_proving.families.differences sp10`` prints them.
"""

import sys
from itertools import combinations, pairwise

from rgbx.config import Config, Range
from rgbx_proving.families.design import Piece
from rgbx_proving.families.family import FAMILIES, Family


def differing(first: Config, second: Config) -> tuple[str, ...]:
    """Return the names of the fields in which two designs of one kind differ."""
    return tuple(name for name in type(first).model_fields if getattr(first, name) != getattr(second, name))


def inside_changes(family: Family, first: str, second: str) -> tuple[str, ...]:
    """Return the names of what X-rays see differ between two classes, e.g. ``"board: outline"``."""
    changes = _changes(family.designs[first].inside, family.designs[second].inside)
    return tuple(change.removeprefix("**").partition("**")[0] for change in changes)


def shared_table(family: Family) -> str:
    """Return every pair of classes that shares its shell or its inside, as Markdown."""
    rows = ["| pair | shell shared | inside shared |", "| --- | --- | --- |"]
    for first, second in combinations(family.classes, 2):
        shared = family.shares(first, second)
        if shared:
            answers = ("yes" if half in shared else "no" for half in ("shell", "inside"))
            rows.append(f"| {first}, {second} | {' | '.join(answers)} |")
    return "\n".join([*rows, "| each of the other pairs | no | no |"])


def differences_table(family: Family) -> str:
    """Return what changes from each generation to the next, as Markdown."""
    rows = ["| from → to | what a camera sees | what X-rays see |", "| --- | --- | --- |"]
    for first, second in pairwise(family.classes):
        before, after = family.designs[first], family.designs[second]
        changes = [_changes(before.shell, after.shell), _changes(before.inside, after.inside)]
        rows.append(
            f"| {first} → {second} | " + " | ".join("<br>".join(c) or "nothing (shared)" for c in changes) + " |"
        )
    return "\n".join(rows)


def tolerance_table(family: Family) -> str:
    """Return how units of one class vary, as Markdown."""
    made = family.tolerances
    rows = [
        ("each module", f"shifted by up to {made.shift_mm:g} mm along x and y"),
        ("each module of the inside", f"and by up to {made.shift_z_mm:g} mm along z"),
        ("each module", f"turned in the plane by up to {made.turn_degrees:g}°"),
        ("each component on a board", f"shifted by up to {made.component_shift_mm:g} mm more"),
        ("each battery", f"shifted by up to {made.battery_shift_mm:g} mm"),
        ("each solder joint", f"{_percent(made.solder_thickness)} in thickness"),
    ]
    if made.battery_thickness != (1.0, 1.0):
        rows.append(("each battery", f"{_percent(made.battery_thickness)} in thickness"))
    rows.append((f"outside, only {', '.join(made.shifting_outside)}", "shifted and turned as a module"))
    return "\n".join(["| what | how it varies |", "| --- | --- |", *(f"| {what} | {how} |" for what, how in rows)])


def _percent(ends: Range) -> str:
    low, high = (f"{100 * (end - 1):+.0f} %".replace("-", "−") for end in ends)
    return f"{low} to {high}"


def _changes(first: Config, second: Config, prefix: str = "") -> list[str]:
    changes = []
    for name in differing(first, second):
        old, new = getattr(first, name), getattr(second, name)
        label = prefix + name.replace("_", " ")
        if isinstance(old, Config) and isinstance(new, Config) and not isinstance(old, Piece):
            changes += _changes(old, new, f"{label}: ")
        else:
            changes.append(f"**{label}** {_brief(old)} → {_brief(new)}")
    return changes


def _brief(value: object) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case float() | int():
            return f"{value:g}"
        case Piece():
            return value.brief()
        case Config():
            fields = {name: getattr(value, name) for name in type(value).model_fields}
            return ", ".join(f"{name.replace('_', ' ')} {_brief(field)}" for name, field in fields.items())
        case ():
            return "none"
        case tuple():
            numbers = all(isinstance(item, float | int) for item in value)
            text = (", " if numbers else "; ").join(_brief(item) for item in value)
            return f"({text})" if numbers else text
        case _:
            return str(value)


if __name__ == "__main__":
    chosen = FAMILIES[sys.argv[1]]
    print(shared_table(chosen), differences_table(chosen), tolerance_table(chosen), sep="\n\n")
