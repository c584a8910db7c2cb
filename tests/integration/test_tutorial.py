"""docs/tutorial.md: its commands do what it shows."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from service import COMMAND, Service

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
END = "-- end of the block --"


def _steps() -> list[tuple[str, list[str]]]:
    """Each block of commands, and what is shown of its output, in pieces; `…` is anything."""
    steps: list[tuple[str, list[str]]] = []
    for kind, text in BLOCK.findall(TUTORIAL.read_text()):
        if kind == "sh":
            steps.append((text, []))
        else:
            steps[-1][1].extend(piece.strip("\n") for piece in text.split("…"))
    return steps


def _run(service: Service, steps: list[tuple[str, list[str]]]) -> list[str]:
    programs = service.folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    command = programs / "order-aggregator"
    command.write_text(f'#!/bin/sh\nexec {" ".join(COMMAND)} "$@"\n')
    command.chmod(0o755)
    script = "\n".join(f"{commands}\necho; echo '{END}'" for commands, _ in steps)
    done = subprocess.run(
        ["bash", "-e", "-c", script.replace("http://127.0.0.1:3000", service.root)],
        cwd=service.folder,
        env=service.environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split(END)


@pytest.mark.timeout(240)
def test_what_the_tutorial_shows_is_what_comes(embedded: Service) -> None:
    embedded.start("run")
    embedded.wait_until_said("Ctrl-C stops it.")
    steps = _steps()
    assert len(steps) > 10
    for (commands, shown), output in zip(steps, _run(embedded, steps), strict=False):
        at = 0
        for piece in shown:
            assert piece in output[at:], f"{commands}\n{output}"
            at = output.index(piece, at) + len(piece)
