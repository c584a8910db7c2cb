"""Choosing vendors: pure policies, and the engine that checks what they plan.

A policy gets the demand in units and offers that together cover it, highest stock first and ties by
vendor id, and answers with the units to take from each vendor.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs

from .errors import InvalidPlan, InvalidValue, Shortage, VendorShortage
from .order import Allocation, Order, OrderLine
from .stock import StockDelta, VendorStock, VendorStockChange


@attrs.frozen(kw_only=True)
class Offer:
    """A vendor's available units of one product during planning."""

    vendor_id: str
    available: int


Plan = Mapping[str, int]
AllocationPolicy = Callable[[int, Sequence[Offer]], Plan]


def highest_first(quantity: int, offers: Sequence[Offer]) -> Plan:
    """Empty the highest stock first, then the next."""
    plan: dict[str, int] = {}
    for offer in offers:
        plan[offer.vendor_id] = min(offer.available, quantity)
        quantity -= plan[offer.vendor_id]
        if not quantity:
            break
    return plan


def even_split(quantity: int, offers: Sequence[Offer]) -> Plan:
    """Equal shares: those not capped by their offer differ by at most 1, the higher stock more."""
    plan: dict[str, int] = {}
    open_offers = list(offers)
    # From the lowest stock up: whoever has less than an equal share gives all it has.
    while open_offers and open_offers[-1].available <= quantity // len(open_offers):
        capped = open_offers.pop()
        plan[capped.vendor_id] = capped.available
        quantity -= capped.available
    for position, offer in enumerate(open_offers):
        share, remainder = divmod(quantity, len(open_offers))
        plan[offer.vendor_id] = share + (position < remainder)
    return plan


def highest_then_even(quantity: int, offers: Sequence[Offer]) -> Plan:
    """The highest stock if it covers the line; else the fewest highest that can, split evenly."""
    return even_split(quantity, offers[: _fewest(quantity, offers)])


def fewest_vendors(quantity: int, offers: Sequence[Offer]) -> Plan:
    """As few vendors as can cover it; the last part goes to the lowest stock that covers it."""
    first = offers[: _fewest(quantity, offers) - 1]
    rest = offers[len(first) :]
    remaining = quantity - sum(offer.available for offer in first)
    tightest = min(
        (offer for offer in rest if offer.available >= remaining),
        key=lambda offer: (offer.available, offer.vendor_id),
    )
    return {offer.vendor_id: offer.available for offer in first} | {tightest.vendor_id: remaining}


def proportional(quantity: int, offers: Sequence[Offer]) -> Plan:
    """Shares in proportion to stock, rounded by the largest remainder (Hamilton's method)."""
    total = sum(offer.available for offer in offers)
    exact = {offer.vendor_id: divmod(quantity * offer.available, total) for offer in offers}
    left = quantity - sum(share for share, _ in exact.values())
    # sorted() is stable, so equal remainders go to the higher stock, then by vendor id.
    favoured = sorted(exact, key=lambda vendor_id: -exact[vendor_id][1])[:left]
    return {vendor_id: share + (vendor_id in favoured) for vendor_id, (share, _) in exact.items()}


@attrs.frozen
class PriorityPolicy:
    """Empties these vendors in the order given, then the others, highest first."""

    vendor_ids: tuple[str, ...]
    _rank: Mapping[str, int] = attrs.field(init=False, eq=False, repr=False)

    @_rank.default
    def _positions(self) -> Mapping[str, int]:
        return {vendor_id: position for position, vendor_id in enumerate(self.vendor_ids)}

    def __call__(self, quantity: int, offers: Sequence[Offer]) -> Plan:
        """The plan for one line; see AllocationPolicy."""
        last = len(self._rank)
        ranked = sorted(offers, key=lambda offer: self._rank.get(offer.vendor_id, last))
        return highest_first(quantity, ranked)


def priority(vendor_ids: Sequence[str]) -> AllocationPolicy:
    """A policy that empties these vendors in the order given, then the others, highest first."""
    return PriorityPolicy(tuple(vendor_ids))


# These look at the highest offers alone, at no more of them than there are units to allocate.
TOP_VENDOR_POLICIES: Sequence[AllocationPolicy] = (highest_first, highest_then_even)

POLICIES: Mapping[str, AllocationPolicy] = {
    "highest_then_even": highest_then_even,
    "even_split": even_split,
    "highest_first": highest_first,
    "fewest_vendors": fewest_vendors,
    "proportional": proportional,
}


def parse_policy(text: str) -> AllocationPolicy:
    """The policy called `text`, or `priority:vendor,vendor,…`; raises InvalidValue."""
    kind, _, vendor_ids = text.partition(":")
    if kind == "priority" and vendor_ids:
        ranked = [vendor_id.strip() for vendor_id in vendor_ids.split(",")]
        if not all(ranked) or len(set(ranked)) < len(ranked):
            raise InvalidValue("policy", "priority must name vendors, each of them once")
        return priority(ranked)
    if text not in POLICIES:
        names = ", ".join(POLICIES)
        raise InvalidValue("policy", f"must be one of {names}, or priority:<vendor>,<vendor>,…")
    return POLICIES[text]


def allocate(
    line: OrderLine, offers: Iterable[Offer], policy: AllocationPolicy
) -> list[Allocation]:
    """Plan one line, and check the plan. Raises VendorShortage or InvalidPlan."""
    return [
        Allocation(product_id=line.product_id, vendor_id=vendor_id, quantity=units)
        for vendor_id, units in _plan(line, offers, policy)
    ]


def _plan(
    line: OrderLine, offers: Iterable[Offer], policy: AllocationPolicy
) -> list[tuple[str, int]]:
    """The vendors by id, and how many units of each."""
    usable = sorted(
        (offer for offer in offers if offer.available > 0),
        key=lambda offer: (-offer.available, offer.vendor_id),
    )
    total = sum(offer.available for offer in usable)
    if total < line.quantity:
        raise VendorShortage(
            Shortage(product_id=line.product_id, requested=line.quantity, available=total)
        )
    plan = policy(line.quantity, usable)
    _check_plan(plan, line, usable)
    return [(vendor_id, units) for vendor_id, units in sorted(plan.items()) if units]


def _wanted(line: OrderLine) -> OrderLine:
    """The line without what is cancelled."""
    if not line.cancelled:
        return line
    return OrderLine(product_id=line.product_id, quantity=line.units)


class VendorAllocations:
    """Allocates one order after the other from the same vendor stock, what is stale last of all."""

    def __init__(self, stock: Iterable[VendorStock], policy: AllocationPolicy) -> None:
        self._policy = policy
        self._available: defaultdict[str, dict[str, int]] = defaultdict(dict)
        self._allocated: Counter[tuple[str, str]] = Counter()
        self._stale: set[tuple[str, str]] = set()
        for level in stock:
            if level.stale:
                self._stale.add((level.vendor_id, level.product_id))
            self._available[level.product_id][level.vendor_id] = level.available
            self._allocated[level.vendor_id, level.product_id] = level.allocated
        self._taken: Counter[tuple[str, str]] = Counter()

    def allocate(self, order: Order) -> list[Allocation]:
        """Allocate every line or none; raises VendorShortage or InvalidPlan."""
        planned = [
            (line.product_id, self._plan_line(_wanted(line))) for line in order.lines if line.units
        ]
        return [
            self._take(product_id, vendor_id, units)
            for product_id, parts in planned
            for vendor_id, units in parts
        ]

    def _take(self, product_id: str, vendor_id: str, units: int) -> Allocation:
        key = vendor_id, product_id
        self._available[product_id][vendor_id] -= units
        self._taken[key] += units
        return Allocation(
            product_id=product_id,
            vendor_id=vendor_id,
            quantity=units,
            sequence=self._allocated[key] + self._taken[key],
        )

    def _plan_line(self, line: OrderLine) -> list[tuple[str, int]]:
        levels = self._available[line.product_id].items()
        offers = [Offer(vendor_id=vendor_id, available=units) for vendor_id, units in levels]
        if not self._stale:
            return _plan(line, offers, self._policy)
        stale = [x for x in offers if (x.vendor_id, line.product_id) in self._stale]
        fresh = [x for x in offers if x not in stale]
        covered = sum(offer.available for offer in fresh)
        if covered >= line.quantity:
            return _plan(line, fresh, self._policy)
        if covered + sum(offer.available for offer in stale) < line.quantity:
            # It says so.
            return _plan(line, offers, self._policy)
        rest = attrs.evolve(line, quantity=line.quantity - covered)
        everything = [(offer.vendor_id, offer.available) for offer in fresh if offer.available]
        return sorted([*everything, *_plan(rest, stale, self._policy)])

    def central_changes(self) -> list[StockDelta]:
        """What all the allocations take from central stock: on hand and its reservation alike."""
        units: Counter[str] = Counter()
        stale: Counter[str] = Counter()
        for (vendor_id, product_id), taken in self._taken.items():
            units[product_id] += taken
            if (vendor_id, product_id) in self._stale:
                stale[product_id] += taken
        return [
            StockDelta(product_id=key, on_hand=-units[key], reserved=-units[key], stale=-stale[key])
            for key in sorted(units)
        ]

    def vendor_changes(self) -> list[VendorStockChange]:
        """What all the allocations take from the vendors."""
        return [
            VendorStockChange(
                vendor_id=vendor_id, product_id=product_id, available=-taken, allocated=taken
            )
            for (vendor_id, product_id), taken in sorted(self._taken.items())
        ]


def _fewest(quantity: int, offers: Sequence[Offer]) -> int:
    """How many of the highest offers it takes to cover the quantity."""
    covered = 0
    for count, offer in enumerate(offers, start=1):
        covered += offer.available
        if covered >= quantity:
            return count
    raise InvalidPlan(f"offers cover {covered} of {quantity} units")


def _check_plan(plan: object, line: OrderLine, offers: Sequence[Offer]) -> None:
    # A policy is anybody's code: its types are not to be trusted.
    if not isinstance(plan, Mapping):
        raise InvalidPlan(f"{line.product_id}: {plan!r} is not a mapping of vendors to units")
    limits = {offer.vendor_id: offer.available for offer in offers}
    for vendor_id, units in plan.items():
        known = vendor_id in limits and type(units) is int
        if not known or not 0 <= units <= limits[vendor_id]:
            raise InvalidPlan(f"{line.product_id}: {units!r} units from vendor {vendor_id!r}")
    if sum(plan.values()) != line.quantity:
        raise InvalidPlan(
            f"{line.product_id}: {sum(plan.values())} units planned for {line.quantity} ordered"
        )
