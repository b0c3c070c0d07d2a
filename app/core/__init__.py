"""Values, errors, paths, settings and logs that every other package may use; standard library only."""
