"""Board revisions: ten classes of one phone that differ in a single component, in families by its size d.

See docs/results/revisions.md for what differs between the classes, :mod:`rgbx_proving.revisions.designs` for the
designs.
"""

from rgbx_proving.families.family import Family
from rgbx_proving.revisions.designs import HEIGHT_MM, SITE_MM, SIZES_MM, Revision, designs
from rgbx_proving.sp10.designs import Colourway, Phone
from rgbx_proving.sp10.family import SP10, build_phone
from rgbx_proving.units.parts import Part, solid


def build_revision(design: Revision, colourway: Colourway) -> list[Part]:
    """Return the parts of a design exactly as drawn: those of its phone, then what is at the site and near by."""
    x, y, z = SITE_MM
    inside = design.inside
    return [
        *build_phone(Phone(shell=design.shell, inside=inside.phone), colourway),
        *(
            # On the back of the upper board: with it they shift, and by themselves as its components do.
            solid(f"board-2/back-{name}-{number}", (each.width, each.height, HEIGHT_MM), (x + each.x, y + each.y, z),
                  each.material)
            for name, group in (("neighbour", inside.neighbours), ("site", inside.site.components))
            for number, each in enumerate(group)
        ),
    ]  # fmt: skip


def revisions(size_mm: float) -> Family:
    """Return the family whose classes differ by a component of one size.

    Args:
        size_mm: d, one of :data:`~rgbx_proving.revisions.designs.SIZES_MM`.
    """
    return Family(
        title=f"REV {size_mm:g} mm",
        things="phones",
        designs=designs(size_mm),
        build=build_revision,
        tolerances=SP10.tolerances,
    )


REV_0_5, REV_1, REV_2, REV_4, REV_8 = map(revisions, SIZES_MM)
