"""Where a setting is taken from: option, environment, file of a secret, .env, default."""

from __future__ import annotations

from pathlib import Path

import pytest

from order_aggregator.adapters.system.settings import (
    Given,
    InvalidSetting,
    given_settings,
    masked,
    parse_settings,
)

OPTION, ENVIRONMENT, SECRET, DOTENV, DEFAULT = (
    f"sqlite:///{name}.db" for name in ("option", "environment", "secret", "dotenv", "default")
)


@pytest.fixture
def secret(tmp_path: Path) -> str:
    file = tmp_path / "url"
    file.write_text(SECRET + "\n")
    return str(file)


@pytest.mark.parametrize(
    ("option", "environment", "file", "dotenv", "used", "source"),
    [
        (True, True, False, True, OPTION, "option"),
        (True, False, True, True, OPTION, "option"),
        (False, True, False, True, ENVIRONMENT, "environment"),
        (False, False, True, True, SECRET, "file"),
        (False, False, True, False, SECRET, "file"),
        (False, False, False, True, DOTENV, ".env"),
        (False, False, False, False, None, None),
    ],
)
def test_the_nearest_one_counts(  # noqa: PLR0917 - a table
    secret: str,
    option: bool,
    environment: bool,
    file: bool,
    dotenv: bool,
    used: str | None,
    source: str | None,
) -> None:
    given = given_settings(
        ({"DATABASE_URL": ENVIRONMENT} if environment else {})
        | ({"DATABASE_URL_FILE": secret} if file else {}),
        options={"DATABASE_URL": OPTION} if option else {},
        dotenv={"DATABASE_URL": DOTENV} if dotenv else {},
    )
    if used is None:
        assert given == {}
        return
    assert given["DATABASE_URL"].text == parse_settings(given).database_url == used
    assert given["DATABASE_URL"].source.split(" ")[0] == source


def test_an_empty_one_counts_as_unset(secret: str) -> None:
    given = given_settings(
        {"PORT": "", "DATABASE_URL": "", "DATABASE_URL_FILE": secret},
        options={"PORT": ""},
        dotenv={"PORT": "8080"},
    )
    assert given["PORT"] == Given(text="8080", source=".env", place="PORT")
    assert given["DATABASE_URL"].text == SECRET


def test_a_dotenv_file_may_name_a_file_with_a_secret(secret: str) -> None:
    given = given_settings({}, dotenv={"DATABASE_URL_FILE": secret})
    assert given["DATABASE_URL"].text == SECRET
    given = given_settings({"DATABASE_URL": ENVIRONMENT}, dotenv={"DATABASE_URL_FILE": secret})
    assert given["DATABASE_URL"].text == ENVIRONMENT


def test_a_secret_and_a_file_with_it_are_one_too_many(secret: str) -> None:
    with pytest.raises(InvalidSetting, match=r"^DATABASE_URL_FILE: cannot be set where DATABASE_U"):
        given_settings({"DATABASE_URL": ENVIRONMENT, "DATABASE_URL_FILE": secret})


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "No such file"), (b"", "is empty"), (b"\xff", "not text")]
)
def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, content: bytes | None, problem: str
) -> None:
    file = tmp_path / "broker"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidSetting, match=f"^BROKER_URL_FILE: .*{problem}"):
        given_settings({"BROKER_URL_FILE": str(file)})


def test_only_secrets_may_be_in_files(secret: str) -> None:
    assert given_settings({"PORT_FILE": secret}) == {}


@pytest.mark.parametrize(
    ("option", "environment", "blamed"),
    [("0", "1", "--port"), ("x", "1", "--port"), ("", "0", "PORT")],
)
def test_what_is_wrong_is_named_as_it_was_given(option: str, environment: str, blamed: str) -> None:
    given = given_settings({"PORT": environment}, options={"PORT": option})
    with pytest.raises(InvalidSetting, match=f"^{blamed}: must be a whole number"):
        parse_settings(given)


def test_what_is_in_a_file_is_blamed_on_the_variable_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("mysql://user:secret@host")
    given = given_settings({"DATABASE_URL_FILE": str(tmp_path / "url")})
    with pytest.raises(InvalidSetting, match=r"^DATABASE_URL_FILE: must be sqlite") as caught:
        parse_settings(given)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///data/x.db", "sqlite:///data/x.db"),
        ("postgresql://user:p@ss:w/rd@host:5432/db", "postgresql://user:***@host:5432/db"),
        (
            "postgresql://host/db?password=x&sslmode=require",
            "postgresql://host/db?password=***&sslmode=require",
        ),
        ("amqp://:secret@host/%2F", "amqp://:***@host/%2F"),
    ],
)
def test_passwords_are_not_shown(url: str, shown: str) -> None:
    assert masked(url) == shown
