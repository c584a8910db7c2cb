"""Which of our orders a vendor has counted in what it reports.

Whatever it has not counted is still in its figures and has to be subtracted. Each vendor stock has
a running total of the units that were ever allocated from it (`VendorStock.allocated`), which
changes under the product's lock only. So "counted" is one number: how much of that total the
report knows of.

Times are compared with marks, never with the time at which an order was decided: a mark says that
a total was seen committed by then. A worker that pauses between deciding and committing, or whose
clock is wrong, changes no mark.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import attrs

from .errors import InvalidValue

BY_SEQUENCE = "by_sequence"
BY_AS_OF = "by_as_of"
AFTER = "after"

DEFAULT_DELAY = timedelta(hours=24)
DEFAULT_CLOCK_TOLERANCE = timedelta(seconds=60)
MAX_DURATION = timedelta(days=366)

_DURATION = re.compile(r"([0-9]{1,7})(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(text: object, field: str, longest: timedelta = MAX_DURATION) -> timedelta:
    """A time like `90s`, `15m`, `24h` or `7d`; raises InvalidValue."""
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    duration = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None
    if duration is None or duration > longest:
        raise InvalidValue(field, 'must be a duration such as "90s", "15m", "24h" or "7d"')
    return duration


def duration_text(duration: timedelta) -> str:
    """The same as text, in the largest unit that it is a whole number of."""
    for letter, unit in reversed(_UNITS.items()):
        count, rest = divmod(duration, timedelta(**{unit: 1}))
        if count and not rest:
            return f"{count}{letter}"
    return f"{duration.total_seconds():g}s"


@attrs.frozen(kw_only=True)
class CountsOrders:
    """How a vendor's reports tell which of our orders they have counted.

    The first of these that a row can answer: by its `acked_through`; by its own date, less the
    tolerance for the vendor's clock; by the vendor learning of each order after `delay`.
    """

    by_sequence: bool = True
    by_as_of: bool = True
    # None: a row that answers neither of the others has counted nothing more than before.
    delay: timedelta | None = DEFAULT_DELAY
    clock_tolerance: timedelta = DEFAULT_CLOCK_TOLERANCE

    def __str__(self) -> str:
        ways = [
            BY_SEQUENCE if self.by_sequence else "",
            f"{BY_AS_OF}, less {duration_text(self.clock_tolerance)}" if self.by_as_of else "",
            "" if self.delay is None else f"{AFTER} {duration_text(self.delay)}",
        ]
        return "; else ".join(filter(None, ways))

    def counted_before(self, own_date: datetime | None, as_of: datetime) -> datetime | None:
        """Allocations that were seen committed by then are counted; None: no more than before.

        `own_date` is what the vendor says its figure is of, `as_of` what the evidence says.
        """
        try:
            if self.by_as_of and own_date is not None:
                return own_date - self.clock_tolerance
            return None if self.delay is None else as_of - self.delay
        except OverflowError:
            # Before all time.
            return None


def parse_counts_orders(
    text: object, clock_tolerance: timedelta = DEFAULT_CLOCK_TOLERANCE
) -> CountsOrders:
    """The rule called `by_sequence`, `by_as_of` or `after:<duration>`; raises InvalidValue."""
    field = "counts_orders"
    if text == BY_SEQUENCE:
        return CountsOrders(by_as_of=False, delay=None, clock_tolerance=clock_tolerance)
    if text == BY_AS_OF:
        # A feed that states no date is dated by its evidence.
        return CountsOrders(
            by_sequence=False, delay=clock_tolerance, clock_tolerance=clock_tolerance
        )
    if isinstance(text, str) and text.startswith(f"{AFTER}:"):
        delay = parse_duration(text.removeprefix(f"{AFTER}:"), field)
        return CountsOrders(by_sequence=False, by_as_of=False, delay=delay)
    raise InvalidValue(field, f'must be "{BY_SEQUENCE}", "{BY_AS_OF}" or "{AFTER}:<duration>"')
