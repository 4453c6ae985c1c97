"""What the ten board revisions are, as data: SP6, whose board has one site that each of them populates in its own way.

All that differs is in steps of one length, d: the smaller it is, the closer one has to look. Positions are in
millimetres, seen from the front. docs/results/revisions.md tabulates the differences, and was written before any
accuracy was measured; neither is tuned to results.
"""

from rgbx.config import Config
from rgbx.geometry import Vector
from rgbx_proving.families.design import Design, Piece
from rgbx_proving.sp10.designs import PHONES, Inside, Shell

SIZES_MM = (0.5, 1.0, 2.0, 4.0, 8.0)
"""d, of a family each."""
HEIGHT_MM = 0.5
"""Of all components at the site, whatever d: how much a component stands out does not change with its size."""
SITE_MM: Vector = (18.5, -14.8, 0.225)
"""Middle of the site, in the unit frame: under the upper board of the two, in the gap between them."""

CERAMIC, TANTALUM, COIL = "barium_titanate", "tantalum", "winding"
"""A ceramic capacitor, a tantalum one, which is denser, and a wire-wound inductor, which is lighter."""


class Component(Piece):
    """A component on the board, a box."""

    x: float = 0.0
    """Of its middle, from the site's."""
    y: float = 0.0
    width: float = 1.0
    height: float = 1.0
    """Along y."""
    material: str = CERAMIC

    def scaled(self, by: float) -> "Component":
        """Return it with all lengths multiplied."""
        lengths = {name: by * getattr(self, name) for name in ("x", "y", "width", "height")}
        return self.model_copy(update=lengths)

    def brief(self) -> str:
        """Return what it is, its size and its place."""
        return f"{self.material} {self.width:g} × {self.height:g} at ({self.x:g}, {self.y:g})"


class Site(Piece):
    """How a revision populates the site."""

    state: str
    components: tuple[Component, ...] = ()

    def scaled(self, by: float) -> "Site":
        """Return it with all lengths multiplied."""
        return self.model_copy(update={"components": tuple(each.scaled(by) for each in self.components)})

    def brief(self) -> str:
        """Return its state and its components."""
        return ": ".join([self.state, *filter(None, ["; ".join(each.brief() for each in self.components)])])


class Populated(Config):
    """All that only X-rays can see."""

    phone: Inside
    site: Site
    neighbours: tuple[Component, ...]
    """Of the same make as what is at the site; every revision has them."""


class Revision(Design):
    """One revision of the board, in its phone."""

    shell: Shell
    inside: Populated


_SITES = (
    Site(state="not fitted"),
    Site(state="fitted", components=(Component(),)),
    Site(state="moved up", components=(Component(y=1.0),)),
    Site(state="moved down", components=(Component(y=-1.0),)),
    Site(state="moved right", components=(Component(x=1.0),)),
    Site(state="two of half width", components=(Component(x=-0.5, width=0.5), Component(x=0.5, width=0.5))),
    Site(state="lying", components=(Component(height=0.5),)),
    Site(state="standing", components=(Component(width=0.5),)),
    Site(state="denser", components=(Component(material=TANTALUM),)),
    Site(state="lighter", components=(Component(material=COIL),)),
)
"""REV0 to REV9, for a d of 1 mm."""
_NEIGHBOURS = (
    Component(x=-0.25, y=2.5),
    Component(x=1.0, y=2.5, width=0.5),
    Component(x=-0.25, y=3.75, height=0.5, material=COIL),
    Component(x=1.0, y=3.75, material=TANTALUM),
)
"""Beside the site on one side only, so that up and down can be told from near by; for a d of 1 mm."""


def designs(size_mm: float) -> dict[str, Revision]:
    """Return the ten revisions whose differences are of one size.

    Args:
        size_mm: d, one of :data:`SIZES_MM`: larger ones do not fit on the board.
    """
    phone = PHONES["SP6"]
    neighbours = tuple(each.scaled(size_mm) for each in _NEIGHBOURS)
    return {
        f"REV{number}-{size_mm:g}mm": Revision(
            shell=phone.shell,
            inside=Populated(phone=phone.inside, site=site.scaled(size_mm), neighbours=neighbours),
        )
        for number, site in enumerate(_SITES)
    }
