"""What the core needs from outside. Each adapter of a port lies in a file of the same name."""
