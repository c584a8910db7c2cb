"""Everything in this process's memory: real adapters that keep every promise but durability."""

from .clock import ManualClock
from .message_bus import MemoryMessageBus
from .storage import MemoryStorage
from .vendor_gateway import MemoryVendorGateway

__all__ = ["ManualClock", "MemoryMessageBus", "MemoryStorage", "MemoryVendorGateway"]
