"""How the generations of SP10 differ, in words, straight from their designs: the tables of docs/results/sp10.md.

``python -m rgbx_proving.sp10.differences`` prints them.
"""

from itertools import combinations, pairwise

from rgbx.config import Config
from rgbx_proving.sp10.designs import DESIGNS, Cell, Coil, Colourway, Lens, Rectangle


def differing(first: Config, second: Config) -> tuple[str, ...]:
    """Return the names of the fields in which two designs of one kind differ."""
    return tuple(name for name in type(first).model_fields if getattr(first, name) != getattr(second, name))


def inside_changes(first: str, second: str) -> tuple[str, ...]:
    """Return the names of what X-rays see differ between two classes, e.g. ``"board: outline"``."""
    changes = _changes(DESIGNS[first].inside, DESIGNS[second].inside)
    return tuple(change.removeprefix("**").partition("**")[0] for change in changes)


def shared_table() -> str:
    """Return every pair of classes that shares its shell or its inside, as Markdown."""
    rows = ["| pair | shell shared | inside shared |", "| --- | --- | --- |"]
    for first, second in combinations(DESIGNS, 2):
        shell = DESIGNS[first].shell == DESIGNS[second].shell
        inside = DESIGNS[first].inside == DESIGNS[second].inside
        if shell or inside:
            rows.append(f"| {first}, {second} | {'yes' if shell else 'no'} | {'yes' if inside else 'no'} |")
    return "\n".join([*rows, "| each of the other pairs | no | no |"])


def differences_table() -> str:
    """Return what changes from each generation to the next, as Markdown."""
    rows = ["| from → to | what a camera sees | what X-rays see |", "| --- | --- | --- |"]
    for first, second in pairwise(DESIGNS):
        before, after = DESIGNS[first], DESIGNS[second]
        changes = [_changes(before.shell, after.shell), _changes(before.inside, after.inside)]
        rows.append(
            f"| {first} → {second} | " + " | ".join("<br>".join(c) or "nothing (shared)" for c in changes) + " |"
        )
    return "\n".join(rows)


def _changes(first: Config, second: Config, prefix: str = "") -> list[str]:
    changes = []
    for name in differing(first, second):
        old, new = getattr(first, name), getattr(second, name)
        label = prefix + name.replace("_", " ")
        if isinstance(old, Config) and isinstance(new, Config) and not isinstance(old, Rectangle | Coil):
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
        case Rectangle(x=x, y=y, width=width, height=height):
            return f"{width:g} × {height:g} at ({x:g}, {y:g})"
        case Lens(x=x, y=y, diameter=diameter):
            return f"⌀{diameter:g} at ({x:g}, {y:g})"
        case Cell(area=area, thickness=thickness):
            return f"{area.width:g} × {area.height:g} × {thickness:g} at ({area.x:g}, {area.y:g})"
        case Coil(x=x, y=y, diameter=diameter, turns=turns, magnets=magnets):
            return f"⌀{diameter:g} at ({x:g}, {y:g}), {turns} turns, {magnets} magnets"
        case Colourway(name=name, frame=frame, back=back):
            return f"{name} {frame}" if frame == back else f"{name} {frame}/{back}"
        case Config():
            fields = {name: getattr(value, name) for name in type(value).model_fields}
            return ", ".join(f"{name.replace('_', ' ')} {_brief(field)}" for name, field in fields.items())
        case tuple():
            numbers = all(isinstance(item, float | int) for item in value)
            text = (", " if numbers else "; ").join(_brief(item) for item in value)
            return f"({text})" if numbers else text
        case _:
            return str(value)


if __name__ == "__main__":
    print(shared_table(), differences_table(), sep="\n\n")
