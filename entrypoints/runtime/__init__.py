"""What each process has of its own: logs, signals, garbage collection, retries."""
