"""Which errors end a session (WIRE-FORMATS 2.6): most do not. `error.code` decides, its type where there is none."""

from __future__ import annotations

from callactors.realtime.items import ErrorDetail

# True: the same settings would fail again; False: a new session may be opened and told of the old one
FATAL = {
    "beta_api_shape_disabled": True,
    "invalid_api_key": True,
    "model_not_found": True,
    "insufficient_quota": True,
    "session_expired": False,
}
ALREADY_ACTIVE = "conversation_already_has_active_response"
SERVER_ERROR = "server_error"
MANY = 100  # errors after which a session is given up


def code_of(error: ErrorDetail | None, otherwise: str = "error") -> str:
    """The model's own word for it."""
    return (error and (error.code or error.type)) or otherwise


def ends_session(error: ErrorDetail) -> bool:
    return code_of(error) in FATAL
