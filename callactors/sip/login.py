"""One session's credentials: which challenges it answers, and with which count (RFC 7616 section 3.4, RFC 8760).

- A session without a Login never answers a challenge: a digest is not handed to whoever asks (a 407 on our BYE).
- The account's realm, else the first one seen, is the only one answered. A request is retried once, and once more when
  the nonce was stale.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from callactors.errors import MalformedMessage
from callactors.sip.auth import Challenge, answer, challenges, strongest
from callactors.sip.headers import Headers
from callactors.sip.message import Response
from callactors.sip.uri import Uri

ANSWERS = {401: ("WWW-Authenticate", "Authorization"), 407: ("Proxy-Authenticate", "Proxy-Authorization")}


class Account(NamedTuple):
    """Whom a carrier knows us as. `realm` is the only one that may ask; None is the first that does."""

    user: str
    password: str
    realm: str | None = None

    def __repr__(self) -> str:
        return f"Account({self.user!r})"


class Login:
    """An account, and the challenges it has answered so far."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._challenges: dict[str, Challenge] = {}
        self._counts: dict[str, int] = {}

    def challenged(self, response: Response, tried: dict[str, int]) -> bool:
        """Take up a 401 or 407; whether the request is worth sending again. `tried` counts its tries, by header."""
        asked, given = ANSWERS[response.status]
        challenge = _strongest(response.headers, asked)
        known = self._challenges.get(given)
        tries = tried.get(given, 0)
        if challenge is None or challenge.realm != self._realm(known, challenge):
            return False
        if tries >= 2 or (tries == 1 and not challenge.stale):
            return False
        tried[given] = tries + 1
        self._challenges[given], self._counts[given] = challenge, 0
        return True

    def headers(self, method: str, uri: Uri, source: random.Random) -> list[tuple[str, str]]:
        """The credentials for one request; every call counts the nonce up."""
        items = []
        for name, challenge in self._challenges.items():
            self._counts[name] += 1
            cnonce = f"{source.getrandbits(64):016x}"
            user, password, _ = self._account
            text = answer(challenge, method, str(uri), user, password, cnonce=cnonce, nc=self._counts[name])
            items.append((name, text))
        return items

    def _realm(self, known: Challenge | None, asked: Challenge) -> str:
        """The realm that may ask: the account's own, the one that has asked before, or anyone's now."""
        return self._account.realm or (known or asked).realm


def _strongest(headers: Headers, name: str) -> Challenge | None:
    try:
        return strongest(challenges(headers, name))
    except MalformedMessage:
        return None
