"""All use cases, in any order, with everything outside failing now and then."""

from hypothesis import settings

from shop_machine import ShopMachine

TestAnySequence = ShopMachine.TestCase
TestAnySequence.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
