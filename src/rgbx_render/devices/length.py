"""Units of length, as programs and users write them."""

_MM = {
    "nm": 1e-6, "nanometer": 1e-6, "um": 1e-3, "µm": 1e-3, "micron": 1e-3, "micrometer": 1e-3, "mm": 1.0,
    "millimeter": 1.0, "cm": 10.0, "centimeter": 10.0, "dm": 100.0, "m": 1e3, "meter": 1e3, "in": 25.4, "inch": 25.4,
    "inche": 25.4, '"': 25.4,
}  # fmt: skip
_MICRO = ("\\u00B5", "\\u00b5", "μ", "Âµ", "Î¼")
"""How programs write the sign µ: escaped, as the Greek letter, and either in UTF-8 that was read as Latin-1."""
_NO_UNIT = ("", "pixel", "voxel", "none", "null", "?", "???", "unknown", "arbitrary", "reference frame")


def length_in_mm(name: str) -> float | None:
    """Return how many mm a unit of length is; None for words that mean that there is none.

    Raises:
        ValueError: the name is not known.
    """
    for written in _MICRO:
        name = name.replace(written, "µ")
    word = name.strip().strip("\"'").strip().lower().replace("metre", "meter")
    singular = word.removesuffix("s") if len(word) > 3 else word
    if word in _NO_UNIT or singular in _NO_UNIT:
        return None
    if singular not in _MM:
        raise ValueError(name)
    return _MM[singular]


def unknown_unit(name: str) -> str:
    """Return why a file has no spacing that gives it in a unit which is not known."""
    return f"gives its voxel size in {name.strip()!r}, which is no unit of length that is known"
