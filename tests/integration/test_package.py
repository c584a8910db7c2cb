"""What `pip install order-aggregator[service]` gives: everything, without this folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(120)


def _run(*command: str | Path, cwd: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _lend_dependencies(python: Path) -> None:
    """Ours, as downloading them takes a minute; not the package, which is linked by a `.pth`."""
    [packages] = python.parents[1].glob("lib/python*/site-packages")
    (packages / "lent.pth").write_text(f"{sysconfig.get_path('purelib')}\n")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: setuptools would leave what it does here, where others read it."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).exists():
            target = folder / "source" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
    _run(sys.executable, "-m", "pip", "wheel", "--no-deps", "./source", cwd=folder)
    [built] = folder.glob("*.whl")
    return built


def test_the_wheel_has_more_than_code_and_a_readme_whose_links_lead_somewhere(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        [metadata] = [name for name in names if name.endswith("/METADATA")]
        text = archive.read(metadata).decode()
    assert "order_aggregator/py.typed" in names
    assert "order_aggregator/entrypoints/demo/seed.json" in names
    dashboard = ROOT / "entrypoints" / "dashboard"
    for file in (
        *(ROOT / "adapters" / "sql" / "migrations").rglob("*.py"),
        *dashboard.rglob("*.html"),
        *dashboard.glob("static/*"),
    ):
        assert f"order_aggregator/{file.relative_to(ROOT)}" in names
    assert not {"order_aggregator/setup.py", "order_aggregator/docs/conf.py"} & set(names)
    assert "License-Expression: MIT" in text
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) > 20
    assert all(link.startswith("https://") for link in links), links


def test_installed_elsewhere_it_serves_orders(wheel: Path, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python]
    _run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv", cwd=tmp_path)
    _run(*pip, "install", "--no-deps", "--no-compile", wheel, cwd=tmp_path)
    _lend_dependencies(python)
    version = wheel.name.split("-")[1]
    printed = _run(python.parent / "order-aggregator", "--version", cwd=tmp_path)
    assert printed.strip().endswith(f"version {version}")
    shutil.copy(ROOT / "examples" / "embedded.py", tmp_path)
    where = "import order_aggregator; print(order_aggregator.__file__)"
    assert str(tmp_path) in _run(python, "-c", where, cwd=tmp_path)
    assert _run(python, "embedded.py", cwd=tmp_path).startswith("fulfilled")
