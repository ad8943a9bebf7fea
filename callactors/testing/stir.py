"""A certificate authority for call identities, and a web server for what it issues: the other end of STIR in tests."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import attrs
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from callactors.sip import tn_auth_list
from callactors.sip.tn_auth_list import TnAuthList

DAY = 86_400.0


@attrs.frozen
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """As OpenSSL writes EC keys (SEC1), which every program reads."""
        form = serialization.PrivateFormat.TraditionalOpenSSL
        return self.key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def authority(name: str = "anchor", *, wall: float, issuer: Issued | None = None, depth: int | None = None) -> Issued:
    """A CA, self-signed or below another."""
    return _issue(
        name, wall=wall, issuer=issuer, extensions=[(x509.BasicConstraints(ca=True, path_length=depth), True)]
    )


def signer(
    issuer: Issued | None = None,
    *,
    wall: float,
    allowed: TnAuthList | None = TnAuthList(("1234",)),  # noqa: B008  # frozen
    lives: float = DAY,
    curve: type[ec.EllipticCurve] = ec.SECP256R1,
    critical: Sequence[x509.ExtensionType] = (),
) -> Issued:
    """A certificate that signs calls; self-signed without an issuer. `wall` is when it begins to be valid."""
    extensions: list[tuple[x509.ExtensionType, bool]] = [(one, True) for one in critical]
    if allowed is not None:
        oid = x509.ObjectIdentifier(tn_auth_list.OID)
        extensions.append((x509.UnrecognizedExtension(oid, tn_auth_list.write(allowed)), False))
    return _issue("SHAKEN 1234", wall=wall, issuer=issuer, extensions=extensions, lives=lives, curve=curve)


def _issue(
    name: str,
    *,
    wall: float,
    issuer: Issued | None,
    extensions: Sequence[tuple[x509.ExtensionType, bool]],
    lives: float = DAY,
    curve: type[ec.EllipticCurve] = ec.SECP256R1,
) -> Issued:
    key = ec.generate_private_key(curve())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begin = datetime.datetime.fromtimestamp(wall, datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).public_key(key.public_key())
    builder = builder.issuer_name(issuer.certificate.subject if issuer else subject)
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(begin)
    builder = builder.not_valid_after(begin + datetime.timedelta(seconds=lives))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return Issued(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


@asynccontextmanager
async def web_server(
    pages: Mapping[str, bytes], context: ssl.SSLContext, *, head: str = "HTTP/1.1 200 OK"
) -> AsyncIterator[int]:
    """An HTTPS server on 127.0.0.1 that answers each path with its bytes; yields its port."""

    async def serve(raw: trio.SocketStream) -> None:
        stream = trio.SSLStream(raw, context, server_side=True, https_compatible=True)
        try:
            request = b""
            while b"\r\n\r\n" not in request and (more := await stream.receive_some()):
                request += more
            body = pages.get(request.split(b" ")[1].decode(), b"")
            lines = [head, f"Content-Length: {len(body)}", "Connection: close", "", ""]
            await stream.send_all("\r\n".join(lines).encode() + body)
        except trio.BrokenResourceError:
            return  # the client went away, or does not trust us
        finally:
            with trio.move_on_after(1, shield=True):
                await raw.aclose()

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        await nursery.start(trio.serve_listeners, serve, listeners)
        yield int(listeners[0].socket.getsockname()[1])
        nursery.cancel_scope.cancel()
