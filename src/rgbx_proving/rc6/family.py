"""RC6, as little a phone as can be: six generations of a plastic remote control, as units with tolerance.

See docs/results/rc6.md for what differs between the classes, :mod:`rgbx_proving.rc6.designs` for the designs.
"""

from rgbx_proving.families.family import Family
from rgbx_proving.families.tolerance import Tolerances
from rgbx_proving.rc6.casing import build_case, build_face
from rgbx_proving.rc6.designs import REMOTES, CaseColours, Remote
from rgbx_proving.rc6.innards import build_innards
from rgbx_proving.units.parts import Part


def build_remote(design: Remote, colours: CaseColours) -> list[Part]:
    """Return the parts of a design exactly as drawn."""
    return [
        *build_case(design.shell, colours),
        *build_innards(design.inside, design.shell),
        *build_face(design.shell, colours),
    ]


RC6 = Family(
    title="RC6",
    things="remote controls",
    designs=REMOTES,
    build=build_remote,
    tolerances=Tolerances(
        shift_mm=0.2,
        shift_z_mm=0.05,
        turn_degrees=0.5,
        component_shift_mm=0.15,  # soldered in a wave
        battery_shift_mm=0.4,  # loose in their compartment
        solder_thickness=(0.7, 1.4),
        shifting_outside=("keys", "logo", "lid", "label"),
    ),
)
