"""The terminal commands, on the same service as the window."""
