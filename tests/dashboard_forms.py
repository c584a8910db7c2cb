"""Filling in the forms of the dashboard, without a browser."""

from __future__ import annotations

import re

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

OWN = {"Sec-Fetch-Site": "same-origin"}
_KEY = re.compile(r'name="key" value="(\w+)"')


def key_of(page: str) -> str:
    """The idempotency key that a form was given."""
    [key] = _KEY.findall(page)
    return str(key)


def send(client: FlaskClient, path: str, key: str, **fields: str) -> TestResponse:
    return client.post(path, data={"key": key, **fields}, headers=OWN)


def act(client: FlaskClient, path: str, **fields: str) -> TestResponse:
    """Ask for an action and confirm it."""
    asked = client.get(path)
    assert asked.status_code == 200, asked.text
    return send(client, path, key_of(asked.text), **fields)
