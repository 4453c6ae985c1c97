"""What the API page makes of docstrings, as they are written for Python's ``help``."""

import re
from textwrap import dedent

import griffe


class Docstrings(griffe.Extension):
    """Read this project's docstrings."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Change an object's docstring once it was read."""
        if obj.docstring is None:
            return
        text = obj.docstring.value
        # References lose their roles: ``:func:`~rgbx.api.line.load``` is `load`.
        text = re.sub(r":(?:class|data|func|meth|mod|attr):`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", text)
        # What is returned is prose, of which a parser would take all before a colon for a type.
        text = re.sub(r"^Returns:\n((?: {4}.*\n?|\n)+)", _prose, text, flags=re.MULTILINE)
        obj.docstring.value = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)


def _prose(section: re.Match[str]) -> str:
    return f"**Returns:**\n\n{dedent(section[1]).strip()}\n\n"
