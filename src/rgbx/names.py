"""Names of files and folders: how they are shown, compared and sorted, whatever the system allows in them."""

import re
import unicodedata


def printable(text: object) -> str:
    r"""Return a path, or any text, as what can be printed and written as UTF-8.

    Bytes of a name that are no UTF-8, which Python keeps as lone surrogates, become escapes such as ``\udce9``.
    """
    return str(text).encode("utf-8", "backslashreplace").decode("utf-8")


def same_name(name: str) -> str:
    """Return what two names share that are one: in upper or lower case, with accents composed (NFC) or not (NFD).

    Windows and macOS take such names as one, and a file that goes through several systems may come back with another
    of them.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", printable(name)).casefold())


def natural_key(text: str) -> list[tuple[int, int, str]]:
    """Key that sorts 2 before 10, in digits of any script; texts that differ have keys that differ."""
    parts = [_number(part) if part[0].isdecimal() else (1, 0, part) for part in re.findall(r"\d+|\D+", text)]
    return [*parts, (-1, 0, text)]


def _number(digits: str) -> tuple[int, int, str]:
    """Compare by length, then digit by digit: Python makes no number of very many digits."""
    plain = "".join(str(unicodedata.decimal(digit)) for digit in digits).lstrip("0")
    return 0, len(plain), plain
