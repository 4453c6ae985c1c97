"""Batteries of standard sizes, as several kinds of device have them."""

from rgbx_proving.units.parts import ALONG_Y, Part, disc


def alkaline_cell(
    name: str, diameter: float, length: float, position: tuple[float, float, float], plus_up: bool = True
) -> list[Part]:
    """Return an alkaline cell that lies along y: steel can, cathode ring, zinc gel with its pin, seal and poles.

    Args:
        name: of the cell; its parts are called ``name/…``.
        diameter: mm.
        length: of the can without the pole's nub, mm.
        position: its middle.
        plus_up: whether the plus pole is at the upper end.
    """
    x, y, z = position
    up = 1 if plus_up else -1

    def round_part(what: str, breadth: float, extent: float, along: float, material: str) -> Part:
        return disc(f"{name}/{what}", breadth, extent, (x, y + up * along, z), material, rotation=ALONG_Y)

    return [
        round_part("can", diameter, length, 0.0, "steel"),
        round_part("cathode", diameter - 0.5, length - 2.0, 0.6, "manganese_dioxide"),
        round_part("anode", 0.6 * diameter, length - 5.0, 0.2, "zinc_gel"),
        round_part("pin", 1.3, length - 14.0, -5.0, "nickel_silver"),
        round_part("seal", diameter - 0.8, 1.6, 0.8 - length / 2 + 0.5, "polyethylene"),
        round_part("minus", 0.7 * diameter, 0.4, 0.2 - length / 2, "steel"),
        round_part("pole", 0.37 * diameter, 1.0, length / 2 + 0.4, "steel"),
    ]
