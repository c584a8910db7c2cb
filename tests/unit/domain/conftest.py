"""Property-based tests run without deadlines: a machine under load is slow at times."""

from hypothesis import settings

settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")
