"""The certificate of the server. It is read again when its files change."""

import ssl
from pathlib import Path

from upstream.transport.secure import load_identity
from upstream.transport.watched import Watched


def certified(cert_file: Path, key_file: Path) -> ssl.SSLContext:
    """Return the TLS context of the server. Each handshake uses the certificate that the files contain at that time.

    Raises ValueError. If changed files cannot be used (the key without its certificate yet), the former pair stays.
    """

    def read(_: Path) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        load_identity(context, cert_file, key_file)
        return context

    watched = Watched(cert_file, read, others=(key_file,))

    def show_current(connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        connection.context = watched.value

    accepting = read(cert_file)
    accepting.sni_callback = show_current
    return accepting
