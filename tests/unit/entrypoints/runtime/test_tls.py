"""Which certificates and keys the API can be given."""

from __future__ import annotations

from pathlib import Path

import pytest

from certificates import write_certificate
from order_aggregator.adapters.system.settings import InvalidSetting, Settings
from order_aggregator.entrypoints.runtime.tls import own_address, own_trust, server_context


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """What somebody may name, by what it is."""
    cert, key = write_certificate(tmp_path)
    _, other_key = write_certificate(tmp_path, "other")
    _, locked_key = write_certificate(tmp_path, "locked", b"secret")
    (tmp_path / "empty").touch()
    return {
        "cert": cert,
        "key": key,
        "other key": other_key,
        "locked key": locked_key,
        "empty": str(tmp_path / "empty"),
        "nothing": str(tmp_path / "nothing"),
    }


def test_without_both_there_is_no_tls() -> None:
    assert server_context(Settings()) is None
    assert own_trust(Settings()) is None


def test_a_certificate_and_its_key(files: dict[str, str]) -> None:
    settings = Settings(tls_cert=files["cert"], tls_key=files["key"])
    assert server_context(settings) is not None


def test_of_a_chain_only_the_certificate_itself_is_trusted(
    files: dict[str, str], tmp_path: Path
) -> None:
    issuer, _ = write_certificate(tmp_path, "issuer")
    chain = tmp_path / "chain.pem"
    chain.write_text(f"the service:\n{Path(files['cert']).read_text()}{Path(issuer).read_text()}")
    settings = Settings(tls_cert=str(chain), tls_key=files["key"])
    assert server_context(settings) is not None
    trust = own_trust(settings)
    assert trust is not None
    assert trust.cert_store_stats()["x509"] == 1


@pytest.mark.parametrize(
    ("cert", "key", "complaint"),
    [
        ("cert", None, "TLS_KEY: must be set: TLS_CERT and TLS_KEY go together"),
        (None, "key", "TLS_CERT: must be set: TLS_CERT and TLS_KEY go together"),
        ("nothing", "key", "TLS_CERT: cannot read .*: No such file or directory"),
        ("cert", "nothing", "TLS_KEY: cannot read .*: No such file or directory"),
        ("empty", "key", "TLS_CERT: must be a file with a certificate in PEM"),
        ("key", "key", "TLS_CERT: must be a file with a certificate in PEM"),
        ("cert", "empty", "TLS_KEY: must be a file with a private key in PEM, without a password"),
        ("cert", "cert", "TLS_KEY: must be a file with a private key in PEM, without a password"),
        ("cert", "locked key", "TLS_KEY: must be a file with a private key in PEM, without a"),
        ("cert", "other key", "TLS_KEY: must be the key of TLS_CERT"),
    ],
)
def test_what_does_not_go_together_is_named(
    files: dict[str, str], cert: str | None, key: str | None, complaint: str
) -> None:
    settings = Settings(tls_cert=cert and files[cert], tls_key=key and files[key])
    with pytest.raises(InvalidSetting, match=f"^{complaint}"):
        server_context(settings)


@pytest.mark.parametrize(
    ("host", "tls", "address"),
    [
        ("127.0.0.1", False, "http://127.0.0.1:3000"),
        ("0.0.0.0", True, "https://127.0.0.1:3000"),
        ("::", True, "https://[::1]:3000"),
        ("shop.example", False, "http://shop.example:3000"),
    ],
)
def test_where_this_machine_reaches_its_own_api(host: str, tls: bool, address: str) -> None:
    assert own_address(Settings(host=host, tls_cert="cert.pem" if tls else None)) == address
