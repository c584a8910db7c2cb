"""One page for those who run it: what is wrong, and what can be done about it."""

from . import actions, pages, session
from .frame import blueprint

__all__ = ["actions", "blueprint", "pages", "session"]
