"""POST /sync: pulling vendors' feeds."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from api_under_test import ApiUnderTest, DeadFeed
from order_aggregator.domain.errors import InvalidSnapshot, StorageUnavailable
from order_aggregator.domain.stock import Vendor
from order_aggregator.domain.vendor_sync import Snapshot
from order_aggregator.testing.shop import Feed, snapshot


class BrokenFeed(DeadFeed):
    """A feed that answers nonsense."""

    def fetch(self) -> Snapshot:
        raise InvalidSnapshot(self.vendor.id, "not JSON")


def changed_feed(api: ApiUnderTest) -> None:
    api.shop.pass_time(minutes=1)
    now = api.shop.clock.now()
    api.gateways["bits/co"] = Feed(snapshot("bits/co", {"BOLT": 3, "GEAR": 2}, now))


def test_one_vendors_sync_says_what_changed(api: ApiUnderTest) -> None:
    changed_feed(api)
    answer = api.client.post("/v1/api/vendor/bits/co/sync")
    assert answer.status_code == 200
    assert answer.get_json() == {
        "vendor_id": "bits/co",
        "as_of": "2026-01-01T00:01:00.000000+00:00",
        "products": 2,
        "changed": 2,
        "changes": [
            {"product_id": "BOLT", "delta": -2},
            {"product_id": "GEAR", "delta": 2},
        ],
        "rejections": [],
    }
    assert api.shop.balance("BOLT") == (13, 0)
    again = api.client.post("/v1/api/vendor/bits/co/sync")
    assert again.get_json()["changes"] == []


@pytest.mark.parametrize("vendor_id", ["nobody", "bits"])
def test_an_unknown_vendor_is_not_found(api: ApiUnderTest, vendor_id: str) -> None:
    answer = api.client.post(f"/v1/api/vendor/{vendor_id}/sync")
    assert answer.status_code == 404
    assert answer.get_json()["type"].endswith(":unknown-vendor")


@pytest.mark.parametrize(
    ("feed", "slug"), [(DeadFeed, "vendor-unavailable"), (BrokenFeed, "invalid-snapshot")]
)
def test_a_vendor_that_fails_is_a_bad_gateway(
    api: ApiUnderTest, feed: type[DeadFeed], slug: str
) -> None:
    api.gateways["dead"] = feed(Vendor(id="dead", name="Dead"))
    answer = api.client.post("/v1/api/vendor/dead/sync")
    assert (answer.status_code, answer.content_type) == (502, "application/problem+json")
    assert answer.get_json()["type"].endswith(f":{slug}")


def test_a_vendor_that_fails_does_not_keep_the_others_from_it(api: ApiUnderTest) -> None:
    api.gateways["a-dead"] = DeadFeed(Vendor(id="a-dead", name="Dead"))
    changed_feed(api)
    answer = api.client.post("/v1/api/sync")
    assert answer.status_code == 200
    by_vendor = {attempt["vendor_id"]: attempt for attempt in answer.get_json()}
    assert set(by_vendor) == {"acme", "bits/co", "a-dead"}
    assert by_vendor["a-dead"] == {
        "vendor_id": "a-dead",
        "as_of": None,
        "products": 0,
        "changed": 0,
        "changes": [],
        "rejections": [],
        "error": "feed of vendor a-dead: connection refused",
    }
    assert by_vendor["bits/co"]["error"] is None
    assert len(by_vendor["bits/co"]["changes"]) == 2


def test_a_report_older_than_one_before_is_said_to_be(api: ApiUnderTest) -> None:
    changed_feed(api)
    assert api.client.post("/v1/api/vendor/bits/co/sync").status_code == 200
    earlier = api.shop.clock.now() - timedelta(minutes=1)
    api.gateways["bits/co"] = Feed(snapshot("bits/co", {"BOLT": 9}, earlier))
    answer = api.client.post("/v1/api/vendor/bits/co/sync")
    assert answer.status_code == 409
    assert answer.get_json()["type"].endswith(":outdated-report")
    [attempt] = [a for a in api.client.post("/v1/api/sync").get_json() if a["error"]]
    assert attempt["error"].endswith("older than what is known")


def test_a_row_that_is_left_out_is_said_while_the_others_are_taken_in(api: ApiUnderTest) -> None:
    now = api.shop.clock.now()
    good, bad = snapshot("acme", {"BOLT": 1, "NUT": 2}, now).reports
    feed = snapshot("acme", {}, now)
    bad = attrs.evolve(bad, acked_through=5)
    api.gateways["acme"] = Feed(attrs.evolve(feed, reports=(good, bad)))
    answer = api.client.post("/v1/api/vendor/acme/sync").get_json()
    assert answer["rejections"] == [
        {
            "place": "product NUT",
            "product_id": "NUT",
            "field": "acked_through",
            "reason": "must be at most 0, as no more was ordered",
        }
    ]
    assert {"product_id": "BOLT", "delta": -9} in answer["changes"]
    assert api.shop.vendor_units("NUT") == {"acme": 4}


def test_without_vendors_there_is_nothing_to_pull(api: ApiUnderTest) -> None:
    api.gateways.clear()
    assert api.client.post("/v1/api/sync").get_json() == []


def test_a_storage_that_is_away_is_a_503(api: ApiUnderTest) -> None:
    class Away(DeadFeed):
        def fetch(self) -> Snapshot:
            raise StorageUnavailable("away")

    api.gateways["acme"] = Away(Vendor(id="acme", name="Acme"))
    assert api.client.post("/v1/api/sync").status_code == 503
    assert api.client.post("/v1/api/vendor/acme/sync").status_code == 503
