"""The Litestar application. It knows a few questions about the switchboard and nothing else of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from litestar import Litestar, Response, get
from litestar.status_codes import HTTP_200_OK, HTTP_503_SERVICE_UNAVAILABLE

from callactors.meters.page import CONTENT_TYPE


class Health(msgspec.Struct, frozen=True):
    """What /healthz and /readyz answer."""

    status: str
    calls: int
    reason: str = ""


def make_app(
    health: Callable[[], Health], ready: Callable[[], Health], metrics: Callable[[], bytes | Awaitable[bytes]] = bytes
) -> Litestar:
    """`/healthz`: 200 while the loop runs. `/readyz`: 200 when a new call would be taken, else 503 with the reason.

    `/metrics`: the page of `metrics`, for Prometheus.
    """

    @get("/healthz", sync_to_thread=False)
    def healthz() -> Health:
        return health()

    @get("/readyz", sync_to_thread=False)
    def readyz() -> Response[Health]:
        now = ready()
        code = HTTP_200_OK if now.status == "ready" else HTTP_503_SERVICE_UNAVAILABLE
        return Response(now, status_code=code)

    @get("/metrics", media_type=CONTENT_TYPE)
    async def page() -> bytes:
        found = metrics()
        return found if isinstance(found, bytes) else await found

    handlers: list[Any] = [healthz, readyz, page]  # Litestar types its handlers as Any
    # logging_config=None: Litestar would take the root logger and start a listener thread
    return Litestar(route_handlers=handlers, logging_config=None, openapi_config=None)
