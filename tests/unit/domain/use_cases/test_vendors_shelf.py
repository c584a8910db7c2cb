"""Orders and reports, in any order, beside the vendor's true shelf."""

from hypothesis import Phase, settings

from vendor_machine import VendorMachine

TestVendorsShelf = VendorMachine.TestCase
TestVendorsShelf.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    phases=set(Phase) - {Phase.explain},
    report_multiple_bugs=False,
)
