"""SP10, the embedded benchmark: ten generations of one phone family, as units with manufacturing tolerance.

See docs/results/sp10.md for what differs between the classes, :mod:`rgbx_proving.sp10.designs` for the designs.
"""

from rgbx_proving.families.family import Family
from rgbx_proving.families.tolerance import Tolerances
from rgbx_proving.sp10.designs import PHONES, Colourway, Phone
from rgbx_proving.sp10.inside import build_inside
from rgbx_proving.sp10.shell import build_frame, build_skin
from rgbx_proving.units.parts import Part


def build_phone(design: Phone, colourway: Colourway) -> list[Part]:
    """Return the parts of a design exactly as drawn."""
    return [
        *build_frame(design.shell, colourway),
        *build_inside(design.inside, design.shell),
        *build_skin(design.shell, colourway),
    ]


SP10 = Family(
    title="SP10",
    things="phones",
    designs=PHONES,
    build=build_phone,
    tolerances=Tolerances(
        shift_mm=0.15,
        shift_z_mm=0.04,
        turn_degrees=0.4,
        component_shift_mm=0.06,
        battery_shift_mm=0.3,  # pouches are glued in
        battery_thickness=(0.97, 1.04),
        solder_thickness=(0.85, 1.15),
        shifting_outside=("logo", "lettering", "home button", "lens"),
    ),
)
