"""Secure the connections to one address: trusted issuers, a client certificate, the lowest version, a proxy."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from upstream.transport.proxy import Proxy

Version = Literal["1.2", "1.3"]
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True, slots=True)
class Pems:
    """Hold the contents of the files of a `Secure`."""

    issuers: bytes = b""
    identity: bytes = b""

    def __repr__(self) -> str:
        return "<Pems>"  # the identity contains a private key


@dataclass(frozen=True, slots=True)
class Secure:
    """Hold the security of connections. `ca_file` is trusted in addition to the system's certificates."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    minimum: Version = "1.2"
    proxy: Proxy | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """Return the files that this is read from."""
        return tuple(path for path in (self.ca_file, self.cert_file, self.key_file) if path is not None)

    def pems(self) -> Pems:
        """Read the files. Raises ValueError, which says what is wrong with which file."""
        if self.ca_file is not None:
            issuers_in(self.ca_file)
        if self.cert_file is not None and self.key_file is not None:
            check_identity(self.cert_file, self.key_file)
        return Pems(_read(self.ca_file), b"\n".join([_read(path) for path in (self.cert_file, self.key_file) if path]))

    def context(self) -> ssl.SSLContext:
        """Return what a Python client connects with. Raises ValueError, which says what is wrong with which file."""
        context = ssl.create_default_context()
        context.minimum_version = _VERSIONS[self.minimum]
        if self.ca_file is not None:
            context.load_verify_locations(cadata=issuers_in(self.ca_file))
        if self.cert_file is not None and self.key_file is not None:
            load_identity(context, self.cert_file, self.key_file)
        return context


PLAIN = Secure()


def issuers_in(path: Path) -> str:
    """Return the certificates that a file holds, in PEM. Raises ValueError."""
    text = _read(path).decode("ascii", "replace")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        raise ValueError(f"names {str(path)!r}, which holds no certificates in PEM") from None
    return text


def check_identity(cert_file: Path, key_file: Path) -> None:
    """Raise ValueError for a certificate and a key that cannot be used together."""
    load_identity(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), cert_file, key_file)


def load_identity(context: ssl.SSLContext, cert_file: Path, key_file: Path) -> None:
    """Load a certificate and its key. Raises ValueError."""
    for path in (cert_file, key_file):
        _read(path)
    try:
        context.load_cert_chain(cert_file, key_file, password=_no_password)
    except _Encrypted:
        raise ValueError(f"names {str(key_file)!r}, whose key is encrypted: store it without a password") from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            what = f"which is not the key of the certificate in {str(cert_file)!r}"
        else:
            what = f"which together with {str(cert_file)!r} is no key and certificate in PEM"
        raise ValueError(f"names {str(key_file)!r}, {what}") from None


class _Encrypted(Exception):
    """Say that a key needs a password."""


def _no_password() -> str:
    raise _Encrypted


def _read(path: Path | None) -> bytes:
    try:
        return b"" if path is None else path.read_bytes()
    except OSError as error:
        raise ValueError(f"names {str(path)!r}, which cannot be read: {error.strerror}") from None
