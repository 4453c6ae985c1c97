"""Who is signed in to the pages: in the memory of the web process, so that its end signs everybody out."""

import hashlib
import hmac
import secrets
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from rgbx_line.users import Role
from rgbx_line.web.access import Caller

LASTS_S = 12 * 3600.0
"""From signing in: a shift."""
IDLE_S = 3600.0
"""Without any request; a page that is open sends some."""
MOST_SESSIONS = 1000
_TOKEN_BYTES = 32


@dataclass(frozen=True)
class Saying:
    """A sentence that a person reads on the next page."""

    text: str
    kind: Literal["good", "bad"]


@dataclass
class SignedIn:
    """Somebody who has signed in."""

    name: str
    role: Role
    csrf: str
    """What a form has to send back: another site does not know it."""
    token: str = field(repr=False)
    users: object
    """State of the file of users when this began; when it has changed, this has ended."""
    began: float
    seen: float
    sayings: deque[Saying] = field(default_factory=lambda: deque(maxlen=5))

    def may(self, role: str) -> bool:
        """Say whether this person may do what a role may; for templates."""
        return self.role.may(Role(role))

    def say(self, text: str, kind: Literal["good", "bad"] = "good") -> None:
        """Have a sentence shown on the next page."""
        self.sayings.append(Saying(text, kind))

    def heard(self) -> list[Saying]:
        """Return what has not been shown yet, once."""
        sayings = list(self.sayings)
        self.sayings.clear()
        return sayings


class Sessions:
    """All who are signed in, by the token in their cookie."""

    def __init__(self) -> None:
        self._all: dict[str, SignedIn] = {}
        self._key = secrets.token_bytes(32)

    def begin(self, caller: Caller, users: object) -> SignedIn:
        """Sign somebody in."""
        self._drop_ended()
        while len(self._all) >= MOST_SESSIONS:
            del self._all[next(iter(self._all))]
        now = time.monotonic()
        token, csrf = (secrets.token_urlsafe(_TOKEN_BYTES) for _ in range(2))
        session = self._all[token] = SignedIn(caller.name, caller.role, csrf, token, users, now, now)
        return session

    def find(self, token: str, users: object) -> SignedIn | None:
        """Return who has a token, unless that has ended; this counts as a sign of life."""
        session = self._all.get(token)
        if session is None:
            return None
        if session.users != users or _has_ended(session):
            self.end(session)
            return None
        session.seen = time.monotonic()
        return session

    def end(self, session: SignedIn) -> None:
        """Sign somebody out."""
        self._all.pop(session.token, None)

    def sealed_nonce(self, nonce: str) -> str:
        """Return what the form that signs in sends back, for the nonce in a cookie of the same browser."""
        return hmac.new(self._key, nonce.encode("utf-8", "replace"), hashlib.sha256).hexdigest()

    def _drop_ended(self) -> None:
        self._all = {token: session for token, session in self._all.items() if not _has_ended(session)}


def _has_ended(session: SignedIn) -> bool:
    now = time.monotonic()
    return now - session.began > LASTS_S or now - session.seen > IDLE_S
