"""Runs the arms, round after round."""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from typing import Any

import attrs
import click

from arms import NEEDS, arms
from environment import describe
from generators import find_pgbench, find_wrk
from latency import soak
from market import Bench
from plan import Plan
from results import Results, Round
from stage import stage
from steps import LISTENERS

SPARE_FILES = 1_000


def measure(plan: Plan, names: Sequence[str]) -> Results:
    """These arms, else all; each round begins with another."""
    find_wrk()
    find_pgbench()
    _allow_files(plan.overload_clients + LISTENERS + SPARE_FILES)
    names = _with_needs(names or tuple(arms(plan)), tuple(arms(plan)))
    with stage() as servers:
        bench = Bench(stage=servers, plan=plan)
        environment = describe(servers)
        rounds = []
        for number in range(plan.rounds):
            first = number * len(names) // plan.rounds
            rounds.append(_round(bench, number, [*names[first:], *names[:first]]))
        bench.verify_in_place()
    return Results(environment=environment, plan=attrs.asdict(plan), rounds=rounds)


def measure_soak(plan: Plan) -> dict[str, Any]:
    """Memory over time."""
    with stage() as servers:
        return {"environment": describe(servers), **soak(Bench(stage=servers, plan=plan))}


def _allow_files(files: int) -> None:
    """Let our processes have so many open, as connections are; as far as we may decide that."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = files if most == resource.RLIM_INFINITY else min(files, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))


def _with_needs(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """With the arms whose peak they need, and after those."""
    unknown = set(names) - set(known)
    if unknown:
        raise click.BadParameter(f"{', '.join(unknown)}: the arms are {', '.join(known)}")
    needed = [NEEDS[name] for name in names if name in NEEDS]
    return sorted({*names, *needed}, key=lambda name: (name in NEEDS, known.index(name)))


def _round(bench: Bench, number: int, names: Sequence[str]) -> Round:
    figures: Round = {}
    for name in names:
        started = time.monotonic()
        figures[name] = arms(bench.plan)[name](bench)
        rate = figures[name]["orders_per_second"]
        bench.peaks.setdefault(name, []).append(rate)
        took = time.monotonic() - started
        click.echo(
            f"{number + 1}/{bench.plan.rounds} {name}: {rate:.0f}/s ({took:.0f} s)", err=True
        )
    return figures
