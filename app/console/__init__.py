"""The terminal commands, on the same parts as the window."""
