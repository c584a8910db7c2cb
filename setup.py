"""What setup.cfg cannot say: on PyPI the README's links need whole addresses."""

import re
from configparser import ConfigParser
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent


def source() -> str:
    """The address that setup.cfg gives the source."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    urls = dict(line.split(" = ") for line in config["metadata"]["project_urls"].split("\n")[1:])
    return urls["Source"]


def readme() -> str:
    """The README with links to the source."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.sub(r"\]\((?!https?:|#)", f"]({source()}/", text)


# The root is the package: by its name, this file is known not to belong to it.
setup(script_name="setup.py", long_description=readme())
