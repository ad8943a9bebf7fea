"""Certificates that calls name: fetched once, kept a while, never more than a few."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio

from callactors.errors import BadIdentity, NotFetched
from callactors.net.http import Fetched
from callactors.net.identity_certificates import AFTER_FAILURE, KEPT, MAX_FETCHES, MAX_KEPT, IdentityCertificates
from callactors.testing.stir import authority

ANCHOR = authority(wall=1_700_000_000.0)
URL = "https://certificates.example/a.pem"


def shelf(answer: Callable[[], Fetched] | None = None, takes: float = 0.1) -> IdentityCertificates:
    async def fetch(url: str) -> Fetched:
        await trio.sleep(takes)
        return answer() if answer else Fetched(ANCHOR.pem, None)

    return IdentityCertificates([], fetch=fetch)


def refuse() -> Fetched:
    raise NotFetched("nobody there")


async def test_one_url_is_fetched_once_for_many_calls(autojump_clock: trio.testing.MockClock) -> None:
    certificates = shelf()
    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(certificates.chain, URL)
    assert await certificates.chain(URL) == (ANCHOR.certificate,)
    assert certificates.fetches == 1


async def test_it_is_fetched_again_after_a_while(autojump_clock: trio.testing.MockClock) -> None:
    certificates = shelf()
    await certificates.chain(URL)
    await trio.sleep(KEPT)
    await certificates.chain(URL)
    assert certificates.fetches == 2


async def test_a_failure_is_kept_for_a_minute(autojump_clock: trio.testing.MockClock) -> None:
    certificates = shelf(refuse)
    for wait in (0.0, 1.0, AFTER_FAILURE):
        await trio.sleep(wait)
        with pytest.raises(BadIdentity, match="436"):
            await certificates.chain(URL)
    assert certificates.fetches == 2


async def test_what_is_no_certificate_is_437(autojump_clock: trio.testing.MockClock) -> None:
    with pytest.raises(BadIdentity, match="437"):
        await shelf(lambda: Fetched(b"hello", 1.0)).chain(URL)


async def test_a_flood_of_different_urls_keeps_few_and_fetches_few_at_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    certificates, refused = shelf(refuse, takes=2.0), 0

    async def one(n: int) -> None:
        nonlocal refused
        with pytest.raises(BadIdentity):
            await certificates.chain(f"{URL}?{n}")
        refused += 1

    async with trio.open_nursery() as nursery:
        for n in range(1000):
            nursery.start_soon(one, n)
    assert (refused, certificates.fetches, certificates.kept()) == (1000, MAX_FETCHES, MAX_FETCHES)
    assert MAX_FETCHES < MAX_KEPT


async def test_who_waits_for_a_cancelled_fetch_is_told(autojump_clock: trio.testing.MockClock) -> None:
    certificates = shelf(takes=10.0)
    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as first:
            nursery.start_soon(_cancel_soon, first)
            await certificates.chain(URL)
    assert await certificates.chain(URL) == (ANCHOR.certificate,)


async def _cancel_soon(scope: trio.CancelScope) -> None:
    await trio.sleep(1.0)
    scope.cancel()
