"""A shop to try the service with: three vendors, their stock, and what happens to it."""
