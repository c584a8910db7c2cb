"""The core: pure rules, use cases and ports. Loads nothing but attrs and the standard library."""
