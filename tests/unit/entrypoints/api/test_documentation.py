"""OpenAPI and Swagger UI."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import Any
from urllib.parse import urljoin

import pytest

from api_under_test import ApiUnderTest
from order_aggregator.entrypoints.api.problems import PROBLEMS


@pytest.fixture
def document(api: ApiUnderTest) -> Any:
    return api.client.get("/v1/api/openapi.json").get_json()


def test_every_call_of_the_contract_is_documented(document: Any) -> None:
    operations = {
        f"{method.upper()} {path}"
        for path, item in document["paths"].items()
        for method in item.keys() & {"get", "post", "put", "patch", "delete"}
    }
    assert operations == {
        "GET /v1/api/stock",
        "GET /v1/api/stock/{product_id}",
        "GET /v1/api/vendor-stock",
        "POST /v1/api/order",
        "GET /v1/api/order",
        "GET /v1/api/order/{order_id}",
        "POST /v1/api/order/{order_id}/cancel",
        "POST /v1/api/order/{order_id}/return",
        "GET /v1/api/events",
        "GET /v1/api/order/{order_id}/events",
        "GET /v1/api/order/{order_id}/history",
        "GET /v1/api/stock/{product_id}/history",
        "POST /v1/api/hold",
        "POST /v1/api/hold/{order_id}/order",
        "POST /v1/api/hold/{order_id}/extend",
        "DELETE /v1/api/hold/{order_id}",
        "PUT /v1/api/product/{product_id}",
        "GET /v1/api/vendor",
        "GET /v1/api/vendor/{vendor_id}",
        "GET /v1/api/vendor/{vendor_id}/rejections",
        "POST /v1/api/vendor/{vendor_id}/approve",
        "PUT /v1/api/vendor/{vendor_id}/stock",
        "PATCH /v1/api/vendor/{vendor_id}/stock",
        "PUT /v1/api/vendor/{vendor_id}",
        "POST /v1/api/vendor/{vendor_id}/disable",
        "POST /v1/api/vendor/{vendor_id}/enable",
        "POST /v1/api/vendor/{vendor_id}/retire",
        "POST /v1/api/vendor/{vendor_id}/sync",
        "POST /v1/api/sync",
        "GET /v1/api/audit",
        "GET /v1/api/dead-letter",
        "GET /v1/api/dead-letter/{dead_letter_id}",
        "POST /v1/api/dead-letter/{dead_letter_id}/replay",
        "DELETE /v1/api/dead-letter/{dead_letter_id}",
        "POST /v1/api/webhook",
        "GET /v1/api/webhook",
        "GET /v1/api/webhook/{webhook_id}",
        "DELETE /v1/api/webhook/{webhook_id}",
        "GET /v1/api/webhook/{webhook_id}/dead",
        "POST /v1/api/webhook/{webhook_id}/replay",
    }


def test_the_document_names_the_version(document: Any) -> None:
    assert document["info"]["version"] == version("order-aggregator")


def test_every_error_is_documented_as_a_problem(document: Any) -> None:
    for path, item in document["paths"].items():
        for method in item.keys() & {"get", "post"}:
            for status, response in item[method]["responses"].items():
                if status == "204":
                    continue
                if path.endswith("events") and status == "200":
                    assert list(response["content"]) == ["text/event-stream"]
                    continue
                kind = "application/json" if status < "300" else "application/problem+json"
                assert list(response["content"]) == [kind], (path, method, status)
                assert ("Retry-After" in response.get("headers", {})) == (status in ("429", "503"))


def test_every_error_has_an_example_that_its_schema_allows(document: Any) -> None:
    schemas = document["components"]["schemas"]
    for path, item in document["paths"].items():
        for method in item.keys() & {"get", "post"}:
            for status, response in item[method]["responses"].items():
                if status < "300":
                    continue
                body = response["content"]["application/problem+json"]
                allowed = [
                    schemas[form["$ref"].rpartition("/")[2]]
                    for form in body["schema"].get("anyOf", [body["schema"]])
                ]
                assert body["examples"], (path, method, status)
                for slug, example in body["examples"].items():
                    said = example["value"]
                    assert said["type"].endswith(":" + slug)
                    assert str(said["status"]) == status
                    assert any(set(said) == set(form["required"]) for form in allowed), said
                    assert f"`{said['type']}`" in document["info"]["description"]


def test_an_example_is_what_is_really_answered(api: ApiUnderTest, document: Any) -> None:
    responses = document["paths"]["/v1/api/order"]["post"]["responses"]
    examples = responses["400"]["content"]["application/problem+json"]["examples"]
    answer = api.client.post("/v1/api/order", data='{"product": ', content_type="application/json")
    assert answer.get_json() == examples["malformed-json"]["value"]


def test_every_kind_of_problem_is_listed(document: Any) -> None:
    # It is answered by no operation, as it is the base of others.
    unlisted = {"unavailable"}
    for problem in PROBLEMS.values():
        assert (f"`{problem.type}`" in document["info"]["description"]) == (
            problem.slug not in unlisted
        )


def test_every_operation_has_a_name_and_says_what_it_does(document: Any) -> None:
    paths = document["paths"].values()
    operations = [item[m] for item in paths for m in item.keys() & {"get", "post"}]
    in_paths = [parameter for item in paths for parameter in item.get("parameters", [])]
    assert len(in_paths) == len([path for path in document["paths"] if "{" in path])
    assert all(parameter["description"] for parameter in in_paths)
    names = {operation["operationId"] for operation in operations}
    assert len(names) == len(operations)
    assert {"place_order", "list_stock", "sync_vendor"} <= names
    for operation in operations:
        assert operation["summary"]
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), (operation["operationId"], parameter["name"])


def test_every_operation_says_who_may_call_it(document: Any) -> None:
    assert document["components"]["securitySchemes"] == {
        "bearer": {"type": "http", "scheme": "bearer"}
    }
    for path, item in document["paths"].items():
        for method in item.keys() & {"get", "post", "put", "patch", "delete"}:
            operation = item[method]
            assert operation["security"] == [{"bearer": []}], (path, method)
            assert operation["x-scopes"], (path, method)
            assert {"401", "403"} <= set(operation["responses"])
    assert document["paths"]["/v1/api/order/{order_id}/cancel"]["post"]["x-scopes"] == [
        "orders:write",
        "operate",
    ]


def test_an_order_is_one_of_two_closed_forms(document: Any) -> None:
    operation = document["paths"]["/v1/api/order"]["post"]
    forms = operation["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    assert [form["additionalProperties"] for form in forms] == [False, False]
    assert [form["required"] for form in forms] == [["product_id", "quantity"], ["lines"]]
    assert set(operation["responses"]) == {
        "202",
        "400",
        "401",
        "403",
        "405",
        "408",
        "409",
        "413",
        "415",
        "422",
        "429",
        "500",
        "503",
    }
    assert "Location" in operation["responses"]["202"]["headers"]


def test_swagger_ui_needs_no_other_server(api: ApiUnderTest) -> None:
    page = api.client.get("/v1/api/swagger")
    assert page.status_code == 200
    assert "//" not in page.text.replace("<!DOCTYPE", "")
    assert '"validatorUrl": null' in page.text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) == 3
    for path in loaded:
        with api.client.get(urljoin("/v1/api/swagger", path)) as asset:
            assert asset.status_code == 200
            assert len(asset.data) > 10_000


@pytest.mark.parametrize("name", ["../__init__.py", "nope.js", "..%2f..%2f__init__.py", ""])
def test_no_other_file_is_served(api: ApiUnderTest, name: str) -> None:
    answer = api.client.get("/v1/api/swagger/assets/" + name)
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
