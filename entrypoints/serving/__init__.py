"""What serves the HTTP API."""
