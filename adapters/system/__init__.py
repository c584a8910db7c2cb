"""What the operating system provides: its clock and the environment."""
