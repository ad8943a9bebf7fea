"""SIP without its secrets, for captures and logs. Works on bytes as they came, however broken; linear time.

Taken out: credentials (RFC 3261 section 22, RFC 7616), nonces, Identity (RFC 8224), SRTP keys (RFC 4568 a=crypto, k=,
RFC 4567 a=key-mgmt), ICE passwords, passwords inside URIs, DTMF digits in INFO bodies, headers that name a secret.
What is left keeps its lines, so that a call flow can still be read.
"""

from __future__ import annotations

import re

REDACTED = b"[redacted]"

_START = rb"(?:^|(?<=\r))"  # of a line; a bare CR must not hide one
_VALUE = rb"(?:[^\n]|\n[ \t])*?(?=\r?(?:\n(?![ \t])|\Z))"  # a header value with its continuation lines


def _header(names: bytes) -> re.Pattern[bytes]:
    pattern = _START + rb"(?P<name>(?:" + names + rb")[ \t]*:[ \t]*)(?P<value>" + _VALUE + rb")"
    return re.compile(pattern, re.IGNORECASE | re.M)


_CREDENTIALS = _header(rb"authorization|proxy-authorization")
_CHALLENGE = _header(rb"www-authenticate|proxy-authenticate")
_WHOLE = _header(
    rb"authentication-info|proxy-authentication-info|identity|y|p-asserted-identity-token"
    rb"|(?:set-)?cookie|[a-z0-9-]{0,60}(?:token|secret|password|passwd|api-?key|credential)[a-z0-9-]{0,60}"
)
_SCHEME = re.compile(rb"\s*[A-Za-z0-9_-]{1,40}(?=\s)")
_REALM = re.compile(rb'\brealm\s*=\s*("[^"\r\n]{0,200}"|[^\s,"]{1,200})', re.IGNORECASE)
_SECRET_PARAMETER = re.compile(
    rb'(\b(?:nextnonce|nonce|opaque|cnonce|response)\s*=\s*)("(?:[^"\\\r\n]|\\.)*"?|[^\s,]+)', re.I
)
_LINES = re.compile(
    _START + rb"(?P<name>a=crypto:[^\r\n]{0,80}?inline:|a=key-mgmt:|a=ice-pwd:|k=|Signal[ \t]*=)(?P<value>[^\r\n]+)",
    re.IGNORECASE | re.M,
)
_EMBEDDED = re.compile(rb"([?&](?:proxy-)?authorization=)[^&>\s]+", re.IGNORECASE)  # headers of a URI
_INLINE = re.compile(rb"(inline:)[A-Za-z0-9+/=|:.-]+", re.IGNORECASE)
_URI_PASSWORD = re.compile(rb"(\bsips?:[^\s:@<>\"\r\n]{1,256}):[^\s@<>\"\r\n]{1,256}@", re.IGNORECASE)
_DTMF_BODY = re.compile(
    rb"^(?:content-type|c)[ \t]*:[ \t]*(?:application/dtmf\b(?!-)|audio/telephone-event)", re.I | re.M
)
_END_OF_HEADERS = re.compile(rb"\r?\n\r?\n")


def redact(data: bytes) -> bytes:
    """The same message with its secrets replaced; anything may be handed in, and nothing raises."""
    text = _CREDENTIALS.sub(_credentials, data)
    text = _CHALLENGE.sub(lambda found: found["name"] + _SECRET_PARAMETER.sub(rb"\1" + REDACTED, found["value"]), text)
    text = _WHOLE.sub(lambda found: found["name"] + REDACTED, text)
    text = _LINES.sub(lambda found: found["name"] + REDACTED, text)
    text = _INLINE.sub(rb"\1" + REDACTED, text)
    text = _EMBEDDED.sub(rb"\1" + REDACTED, text)
    text = _URI_PASSWORD.sub(rb"\1:" + REDACTED + b"@", text)
    return _without_digits(text)


def _credentials(found: re.Match[bytes]) -> bytes:
    """Scheme and realm stay: they tell which account was asked for, and prove nothing."""
    scheme = _SCHEME.match(found["value"])
    realm = _REALM.search(found["value"]) if scheme else None
    kept = (scheme[0] + b" " if scheme else b"") + (b"realm=" + realm[1] + b", " if realm else b"")
    return found["name"] + kept + REDACTED


def _without_digits(text: bytes) -> bytes:
    """application/dtmf carries the digit as its whole body."""
    end = _END_OF_HEADERS.search(text)
    if end is None or not _DTMF_BODY.search(text, 0, end.start()):
        return text
    return text[: end.end()] + REDACTED
