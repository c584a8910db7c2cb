"""What is recorded of a change."""

from __future__ import annotations

import pytest

from order_aggregator.domain.audit import without_secrets


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example/secret", "https://a.example"),
        ("https://a.example:8443/x?key=secret#secret", "https://a.example:8443"),
        ("https://[::1]/x", "https://[::1]"),
        ("https://me:secret@a.example/x", "https://…"),
        ("https://me:secret/secret@a.example/x", "https://…"),
        ("ftp://me:secret#secret@a.example/x", "ftp://…"),
        ("s3://bucket/key", "s3://bucket"),
        ("http:me:secret@a.example", "…"),
        ("https://a.example?secret\nsecret", "https://a.example"),
    ],
)
def test_of_a_url_it_is_recorded_where_it_is(url: str, shown: str) -> None:
    assert without_secrets(url) == shown
