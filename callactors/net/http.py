"""One small GET over HTTPS, for what a stranger's message names: bounded in time and size, to listed hosts only.

- `https` alone, no redirect, no proxy, no cookie; the host and port must be listed, as `host` (443) or `host:port`.
- The name is resolved here and the connection goes to that very address, so that no second answer can lead elsewhere.
- A name that leads to a private, loopback or link-local address is refused; only an address listed as such is not.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

import httpx
import msgspec
import trio
import trio.socket

from callactors.errors import NotFetched
from callactors.sip.address import is_numeric

MAX_BYTES = 65_536
SECONDS = 2.5
CONNECT = 1.0  # for TCP, then for TLS, then for each pause


class Fetched(msgspec.Struct, frozen=True):
    """A body, and for how many seconds its server says it stays good (None: it does not say)."""

    body: bytes
    max_age: float | None


async def fetch(
    url: str,
    *,
    hosts: Collection[str],
    context: ssl.SSLContext | None = None,
    limit: int = MAX_BYTES,
    seconds: float = SECONDS,
) -> Fetched:
    """GET `url`. `context` None trusts the system's certificates. Raises NotFetched, for whatever reason."""
    parts, port = _listed(url, hosts)
    with trio.move_on_after(seconds):
        try:
            host = await _resolve(parts.hostname or "", port)
            return await _get(parts, host, port, context or ssl.create_default_context(), limit)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise NotFetched(f"{parts.hostname}: {type(error).__name__}") from None
    raise NotFetched(f"{parts.hostname}: nothing within {seconds} s")


def _listed(url: str, hosts: Collection[str]) -> tuple[SplitResult, int]:
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError:
        raise NotFetched("not a URL") from None
    host = parts.hostname or ""
    if parts.scheme != "https" or parts.username is not None or not url.isascii():
        raise NotFetched("not a plain https URL")
    wanted = {f"{host}:{port}", f"[{host}]:{port}"} | ({host} if port == 443 else set())
    if not wanted & {one.lower() for one in hosts}:
        raise NotFetched(f"{host[:100]} is not a listed host")
    return parts, port


async def _resolve(host: str, port: int) -> str:
    """The address to connect to, numeric. One that was listed as an address may be anywhere but on our own link.

    What is there (169.254.169.254) tells a cloud's secrets to whoever asks, and no certificates.
    """
    if is_numeric(host):
        if ipaddress.ip_address(host).is_link_local:
            raise NotFetched(f"{host} is on our own link")
        return host
    found = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
    for *_, address in found:
        if ipaddress.ip_address(str(address[0]).partition("%")[0]).is_global:
            return str(address[0])
    raise NotFetched(f"{host} leads to a private address")


async def _get(parts: SplitResult, host: str, port: int, context: ssl.SSLContext, limit: int) -> Fetched:
    url = httpx.URL(scheme="https", host=host, port=port, raw_path=(parts.path or "/").encode() + _query(parts))
    headers = {"Host": parts.netloc, "Accept": "application/pem-certificate-chain, */*"}
    timeout = httpx.Timeout(CONNECT)  # httpcore closes what it was opening when this passes, not when cancelled
    async with httpx.AsyncClient(verify=context, trust_env=False, timeout=timeout) as client:
        extensions = {"sni_hostname": parts.hostname or ""}
        async with client.stream("GET", url, headers=headers, extensions=extensions) as response:
            if response.status_code != 200:
                raise NotFetched(f"{parts.hostname} answered {response.status_code}")
            return Fetched(await _read(response, limit), _max_age(response.headers.get("Cache-Control", "")))


async def _read(response: httpx.Response, limit: int) -> bytes:
    """The body as sent: what would grow by unpacking is not unpacked.

    Too much of it ends by cancelling the read: httpx's generators are closed properly only from within.
    """
    body, size = b"", 0
    with trio.CancelScope() as enough:
        async for chunk in response.aiter_raw():
            size += len(chunk)
            if size > limit:
                enough.cancel()
            else:
                body += chunk
    if size > limit:
        raise NotFetched(f"more than {limit} bytes")
    return body


def _query(parts: SplitResult) -> bytes:
    return f"?{parts.query}".encode() if parts.query else b""


def _max_age(cache_control: str) -> float | None:
    for part in cache_control.lower().split(","):
        name, _, value = part.strip().partition("=")
        if name == "max-age" and value.isdecimal() and len(value) < 10:
            return float(value)
    return None
