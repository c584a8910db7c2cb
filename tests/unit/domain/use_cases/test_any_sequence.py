"""All use cases, in any order, with everything outside failing now and then."""

from hypothesis import Phase, settings

from shop_machine import ShopMachine

TestAnySequence = ShopMachine.TestCase
TestAnySequence.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    # To explain a failure takes minutes; the shortest sequence that fails says enough.
    phases=set(Phase) - {Phase.explain},
    report_multiple_bugs=False,
)
