"""What is recorded of a change."""

from __future__ import annotations

import pytest

from order_aggregator.domain.audit import without_secrets


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example/x", "https://a.example/x"),
        ("https://me:secret@a.example:8443/x?key=secret#secret", "https://a.example:8443/x"),
        ("https://secret@[::1]/x@y", "https://[::1]/x@y"),
        ("s3://me:secret@bucket/key", "s3://bucket/key"),
        ("http:me:secret@a.example", "a.example"),
        ("https://a.example?secret\nsecret", "https://a.example"),
        ("feeds/acme.csv", "feeds/acme.csv"),
    ],
)
def test_of_a_url_it_is_recorded_where_it_is(url: str, shown: str) -> None:
    assert without_secrets(url) == shown
