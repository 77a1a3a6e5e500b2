"""Why a connection was not made: what the two HTTP libraries say of TLS and of the proxy, in our words."""

import re
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from upstream.errors import Insecure, Unavailable, UpstreamError


@dataclass(frozen=True, slots=True)
class TransportFault:
    """A cause in words that say what to do, whether another attempt may succeed, and the kind of error."""

    what: str
    again: bool = False
    kind: type[UpstreamError] = Insecure


UNKNOWN_ISSUER = TransportFault(
    "the certificate of the upstream is from an unknown issuer: add the issuer's certificate to the CA file"
)
EXPIRED = TransportFault("the certificate of the upstream has expired: its operator has to renew it")
NOT_YET = TransportFault("the certificate of the upstream is not valid yet: look at the clock of this machine")
WRONG_NAME = TransportFault("the certificate of the upstream is for another name: look at the host in the address")
INVALID = TransportFault("the certificate of the upstream is not valid: its operator has to replace it")
VERSION = TransportFault(
    "the upstream and this server have no TLS version in common: look at the least version that is set"
)
WANTS_CERTIFICATE = TransportFault("the upstream asks for a client certificate: set one, with its key")
REFUSED_CERTIFICATE = TransportFault("the upstream refused the client certificate: set one that it accepts")
REFUSED = TransportFault(
    "the upstream refused the TLS handshake: it may ask for a client certificate, or another TLS version"
)
NO_TLS = TransportFault(
    "the upstream does not speak TLS at this port: look at the port, and at https:// in the address"
)
CUT = TransportFault(
    "the connection ended during the TLS handshake: the upstream, or what stands between, refuses it", True
)
PROXY_GONE = TransportFault("the proxy cannot be reached: look at HTTPS_PROXY", True, Unavailable)
PROXY_LOGIN = TransportFault(
    "the proxy asks for a user name and a password: put them into HTTPS_PROXY", kind=Unavailable
)
PROXY_NO = TransportFault(
    "the proxy made no connection: it cannot reach the upstream, or refuses the request or its login", True, Unavailable
)

# The first match counts. These are texts of rustls and names of OpenSSL; tests hold both against real servers.
_RUSTLS = (
    (r"invalid peer certificate: (UnknownIssuer|.*CaUsedAsEndEntity)", UNKNOWN_ISSUER),
    (r"invalid peer certificate: certificate expired", EXPIRED),
    (r"invalid peer certificate: certificate not valid yet", NOT_YET),
    (r"invalid peer certificate: certificate not valid for name", WRONG_NAME),
    (r"invalid peer certificate", INVALID),
    (r"received fatal alert: ProtocolVersion|peer is incompatible", VERSION),
    (r"received fatal alert: CertificateRequired", WANTS_CERTIFICATE),
    (r"received fatal alert: (\w*Certificate\w*|UnknownCA|AccessDenied|DecryptError)", REFUSED_CERTIFICATE),
    (r"received fatal alert", REFUSED),
    (r"received corrupt message", NO_TLS),
    (r"tls handshake eof", CUT),
    (r"tunnel error: failed to create underlying connection", PROXY_GONE),
    (r"tunnel error: proxy authorization required", PROXY_LOGIN),
    (r"tunnel error", PROXY_NO),
)
_OPENSSL = (
    (r"ALERT_PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|NO_PROTOCOLS_AVAILABLE", VERSION),
    (r"ALERT_CERTIFICATE_REQUIRED", WANTS_CERTIFICATE),
    (r"ALERT_(\w*CERTIFICATE\w*|UNKNOWN_CA|ACCESS_DENIED|DECRYPT_ERROR)", REFUSED_CERTIFICATE),
    (r"ALERT_", REFUSED),
    (r"WRONG_VERSION_NUMBER|HTTP_REQUEST|PACKET_LENGTH_TOO_LONG|RECORD_LAYER_FAILURE", NO_TLS),
    (r"UNEXPECTED_EOF", CUT),
)
# The results of OpenSSL's verification (X509_V_ERR_…).
_VERIFIED = {
    2: UNKNOWN_ISSUER, 18: UNKNOWN_ISSUER, 19: UNKNOWN_ISSUER, 20: UNKNOWN_ISSUER, 21: UNKNOWN_ISSUER,
    9: NOT_YET, 10: EXPIRED, 62: WRONG_NAME, 64: WRONG_NAME,
}  # fmt: skip


def of_rustls(causes: Sequence[str]) -> TransportFault | None:
    """Return the fault that the causes of a failed request name, the last one first; None if it was another."""
    return next((found for cause in reversed(causes) if (found := _first(_RUSTLS, cause))), None)


def of_openssl(failed: BaseException) -> TransportFault | None:
    """Return the fault behind an exception; None if it was not of TLS."""
    for each in _chain(failed):
        if isinstance(each, ssl.SSLCertVerificationError):
            return _VERIFIED.get(each.verify_code, INVALID)
        if isinstance(each, ssl.SSLError):
            return _first(_OPENSSL, each.reason or "")
    return None


def _first(table: tuple[tuple[str, TransportFault], ...], text: str) -> TransportFault | None:
    return next((fault for pattern, fault in table if re.search(pattern, text)), None)


def _chain(failed: BaseException) -> Iterator[BaseException]:
    each: BaseException | None = failed
    while each is not None:
        yield each
        each = each.__cause__ or each.__context__
