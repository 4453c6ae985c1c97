"""Who may do what: names, roles and hashes of passwords, in a file that only the line's own account reads."""

import base64
import os
import re
import unicodedata
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Self

import argon2
from pydantic import Field, field_validator

from rgbx.config import Config, build_record
from rgbx.errors import InputError, RgbxError
from rgbx.files import read_json, write_json

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 1000
_NAME = re.compile(r"[^\W_][\w.@-]{0,63}")
_HASHER = argon2.PasswordHasher(time_cost=3, memory_cost=12_288, parallelism=1)
"""As OWASP has it, with 12 MiB and one core: others are inference's."""


class Role(StrEnum):
    """What a person may do; each may also do what those before it may."""

    OPERATOR = "operator"
    """Starts and stops the line, hands images in."""
    ENGINEER = "engineer"
    """Changes the model and the settings."""
    ADMINISTRATOR = "administrator"
    """Says who the others are."""

    def may(self, needed: "Role") -> bool:
        """Say whether it may do what ``needed`` may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


class _User(Config):
    role: Role
    hash: str = Field(repr=False)

    @field_validator("hash")
    @classmethod
    def _is_argon2(cls, text: str) -> str:
        argon2.extract_parameters(text)
        return text


class _UserFile(Config):
    format: int = 1
    users: dict[str, _User] = Field(default_factory=dict)


class Users:
    """The people that a line knows; immutable. There is nobody until somebody is added."""

    def __init__(self, users: Mapping[str, _User]) -> None:
        self._users = dict(users)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read who there is; nobody when the file is missing.

        Raises:
            InputError: the file cannot be read, or is damaged.
        """
        if not path.exists():
            return cls({})
        remedy = "delete it and add the users again with `rgbx line user add`"
        try:
            return cls(build_record(_UserFile, read_json(path), path, remedy).users)
        except PermissionError as error:
            raise InputError(path, "may not be read", "run this as the account that the line runs as") from error

    @property
    def roles(self) -> dict[str, Role]:
        """Of each user, by name."""
        return {name: user.role for name, user in sorted(self._users.items())}

    def check(self, name: str, password: str) -> Role | None:
        """Return the role of who gives a name and its password; None when they are not right.

        It takes as long for a name that there is not: tens of milliseconds of a core, on purpose.
        """
        user = self._users.get(_composed(name))
        try:
            _HASHER.verify(user.hash if user else _hash_of_nobody(), _composed(password)[: LONGEST_PASSWORD + 1])
        except (argon2.exceptions.VerificationError, UnicodeEncodeError):
            return None
        return user.role if user else None

    def with_user(self, name: str, password: str, role: Role) -> "Users":
        """Return these users and one more, or one with another password and role.

        Raises:
            RgbxError: the name has other signs than letters, digits and ``. _ @ -``, or the password is too short or
                too long.
        """
        name, password = _composed(name), _composed(password)
        if not _NAME.fullmatch(name):
            raise RgbxError(
                f"{name!r} cannot be a user's name: take 1 to 64 letters, digits and . _ @ -, a letter or digit first."
            )
        if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
            raise RgbxError(
                f"the password has {len(password)} characters: take {SHORTEST_PASSWORD} to {LONGEST_PASSWORD}."
            )
        try:
            user = _User(role=role, hash=_HASHER.hash(password))
        except UnicodeEncodeError:
            raise RgbxError("the password is no UTF-8: type it in a terminal that is.") from None
        return Users({**self._users, name: user})

    def without(self, name: str) -> "Users":
        """Return these users but one.

        Raises:
            RgbxError: there is no such user.
        """
        name = _composed(name)
        if name not in self._users:
            raise RgbxError(f"there is no user {name!r}: choose from {', '.join(sorted(self._users)) or 'nobody'}.")
        return Users({other: user for other, user in self._users.items() if other != name})

    def write(self, path: Path) -> None:
        """Write them whole or not at all, to be read by this account alone.

        Raises:
            RgbxError: the disk is full or the folder cannot be written.
        """
        before = os.umask(0o077)
        try:
            write_json(path, _UserFile(users=self._users).model_dump(mode="json"))
        finally:
            os.umask(before)


def _composed(text: str) -> str:
    """Return the one form of a text that keyboards and systems write in several."""
    return unicodedata.normalize("NFC", text)


def _hash_of_nobody() -> str:
    """Return a hash of no password, which takes as long to check as one."""
    salt, digest = (
        base64.b64encode(bytes(length)).rstrip(b"=").decode() for length in (_HASHER.salt_len, _HASHER.hash_len)
    )
    cost = f"m={_HASHER.memory_cost},t={_HASHER.time_cost},p={_HASHER.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${digest}"
