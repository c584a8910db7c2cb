"""What a run has found, and where it is kept."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

import attrs

FOLDER = Path(__file__).parent
FILE = FOLDER / "results.json"

# Figures by name, by arm.
Round = dict[str, dict[str, float]]


@attrs.frozen
class Spread:
    """A figure over all rounds."""

    middle: float
    low: float
    high: float


@attrs.frozen(kw_only=True)
class Results:
    """One run."""

    environment: dict[str, str] = attrs.field(factory=dict)
    plan: dict[str, Any] = attrs.field(factory=dict)
    rounds: list[Round] = attrs.field(factory=list)
    soak: dict[str, Any] | None = None

    @property
    def arms(self) -> list[str]:
        """Those that were measured, in the order of the first round."""
        return list(self.rounds[0]) if self.rounds else []

    def spread(self, arm: str, figure: str) -> Spread | None:
        """A figure's median, minimum and maximum; None if it was not measured."""
        return spread_of(
            [found[arm][figure] for found in self.rounds if figure in found.get(arm, {})]
        )

    def loads(self, arm: str) -> list[int]:
        """At which percentages of the peak its latency was measured."""
        return self._numbers(arm, "load.")

    def clients(self, arm: str) -> list[int]:
        """With how many clients its rate was measured."""
        return self._numbers(arm, "clients.")

    def _numbers(self, arm: str, prefix: str) -> list[int]:
        """Those that follow the prefix in figures' names."""
        names = {name for found in self.rounds for name in found.get(arm, {})}
        return sorted({int(name.split(".")[1]) for name in names if name.startswith(prefix)})


def spread_of(values: list[float]) -> Spread | None:
    """Of one value a round; None if there is none."""
    return Spread(median(values), min(values), max(values)) if values else None


def load() -> Results:
    """What was saved; empty if nothing was."""
    return Results(**json.loads(FILE.read_text())) if FILE.exists() else Results()


def save(results: Results) -> None:
    """Keep it."""
    FILE.write_text(json.dumps(attrs.asdict(results), indent=1) + "\n")
