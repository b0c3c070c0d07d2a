"""Start the program."""


def main() -> int:
    """Run the program and return its exit code."""
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
