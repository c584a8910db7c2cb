"""TLS of the API: what its connections are encrypted with, and how our own programs call it."""

from __future__ import annotations

import ssl
from pathlib import Path

from ...adapters.system.settings import InvalidSetting, Settings

_END = "-----END CERTIFICATE-----"


def server_context(settings: Settings) -> ssl.SSLContext | None:
    """Of the certificate and the key in the settings; None without. Raises InvalidSetting."""
    certificate, key = settings.tls_cert, settings.tls_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        missing = "TLS_CERT" if certificate is None else "TLS_KEY"
        raise InvalidSetting(missing, "must be set: TLS_CERT and TLS_KEY go together")
    client_context(certificate)
    _text_of("TLS_KEY", key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    try:
        # Without the last, a key with a password would have it asked for on the terminal.
        context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise InvalidSetting("TLS_KEY", "must be the key of TLS_CERT") from error
        expected = "must be a file with a private key in PEM, without a password"
        raise InvalidSetting("TLS_KEY", expected) from error
    return context


def client_context(certificate: str) -> ssl.SSLContext:
    """Trusts the first certificate in the file, and no other. Raises InvalidSetting.

    By whatever name it is called: that of the service does not lead to this machine.
    """
    first, end, _ = _text_of("TLS_CERT", certificate).partition(_END)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    # Whoever has issued it does not matter.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(cadata=first + end)
    except (ssl.SSLError, ValueError) as error:
        raise InvalidSetting("TLS_CERT", "must be a file with a certificate in PEM") from error
    return context


def own_address(settings: Settings) -> str:
    """Where this machine reaches the API of these settings."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    scheme = "http" if settings.tls_cert is None else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.port}"


def own_trust(settings: Settings) -> ssl.SSLContext | None:
    """What trusts the API of these settings; None without TLS. Raises InvalidSetting."""
    return None if settings.tls_cert is None else client_context(settings.tls_cert)


def _text_of(variable: str, file: str) -> str:
    try:
        return Path(file).read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise InvalidSetting(variable, f"cannot read {file}: {error.strerror}") from error
