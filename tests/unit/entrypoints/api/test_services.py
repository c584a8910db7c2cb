"""How an application's services are found."""

from __future__ import annotations

from flask import Flask

from api_under_test import ApiUnderTest
from order_aggregator.entrypoints.api.services import Limits, app_state, limits_of


def test_an_applications_limits_are_those_of_its_services(api: ApiUnderTest) -> None:
    assert limits_of(api.app) is app_state(api.app).services.limits


def test_an_application_that_is_not_ours_has_the_usual_limits() -> None:
    assert limits_of(Flask("anything")) == Limits()
