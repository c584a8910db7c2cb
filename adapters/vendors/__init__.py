"""Vendors' feeds, however they are served: over HTTP, as files, or packaged for trying out."""
