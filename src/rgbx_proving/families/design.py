"""What every design is made of: data, from which parts are built and the differences between classes are read."""

from typing import Any

from rgbx.config import Config


class Piece(Config):
    """Something in a design whose change is told in one go: what it was → what it became."""

    def brief(self) -> str:
        """Return it in a few words and numbers."""
        raise NotImplementedError


class Rectangle(Piece):
    """An upright rectangle by its centre and size."""

    x: float
    y: float
    width: float
    height: float

    def brief(self) -> str:
        """Return size and place."""
        return f"{self.width:g} × {self.height:g} at ({self.x:g}, {self.y:g})"


class Design(Config):
    """One class of a family."""

    shell: Any
    """All that a camera can see; its ``palette`` has the colours that units come in."""
    inside: Any
    """All that only X-rays can see."""
