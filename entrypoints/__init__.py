"""Ways in: the HTTP API, the processes, the command line."""
