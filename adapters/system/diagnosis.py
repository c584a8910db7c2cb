"""What a look at something outside has shown."""

from __future__ import annotations

from enum import StrEnum

import attrs


class Verdict(StrEnum):
    """How it is: as it should be, so that it may cause trouble, or so that nothing works."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@attrs.frozen(kw_only=True)
class Diagnosis:
    """What was looked at, how it is, and what to do unless that is well."""

    subject: str
    verdict: Verdict = Verdict.OK
    found: str
    advice: str | None = None
