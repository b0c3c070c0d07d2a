"""Set Solo up on a fresh machine, with nothing but Python's standard library."""
