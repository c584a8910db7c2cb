"""Metrics as a Prometheus would see them, and what is made of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[1]
PROMETHEUS = ROOT / "deploy/prometheus"
DASHBOARD = ROOT / "deploy/grafana/order-aggregator.json"
_NAME = re.compile(r"\b(?:order|process)_\w+")
# What a family's samples are called.
_SUFFIXES = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}


def families(text: str) -> dict[str, str]:
    """The metrics in an answer of `/metrics`, as they are documented: names and types."""
    found = {}
    for family in text_string_to_metric_families(text):
        if not family.name.endswith("_created"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found[name] = family.type
    return found


def queried(metrics: dict[str, str]) -> set[str]:
    """The names by which these can be queried."""
    return {
        name if suffix == "_total" else name + suffix
        for name, kind in metrics.items()
        for suffix in _SUFFIXES.get(kind, [""])
    }


def alerts() -> list[dict[str, Any]]:
    """The rules of alerts.yml."""
    content = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())
    return [rule for group in content["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """Those of the dashboard that show something."""
    return [each for each in json.loads(DASHBOARD.read_text())["panels"] if each["type"] != "row"]


def expressions() -> Iterator[str]:
    """All that alerts and dashboard ask for."""
    for alert in alerts():
        yield alert["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield target["expr"]


def documented() -> set[str]:
    """The metrics that docs/metrics.md describes."""
    return set(re.findall(r"^\| `(\w+)`", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE))


def names_in(expression: str) -> set[str]:
    """The metrics that it names."""
    return set(_NAME.findall(expression))
