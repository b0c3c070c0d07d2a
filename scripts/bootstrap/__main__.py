"""Check the Python version, then hand over; written so that an old Python can still read it."""

import importlib
import os
import sys


def main() -> int:
    """Run the set-up command and return its exit code."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this line is for the Pythons the project does not support
        found = ".".join(str(part) for part in sys.version_info[:3])
        message = "Solo needs Python 3.11 or newer, and this is Python {}: install a newer one and start again."
        print(message.format(found), file=sys.stderr)
        return 1
    here = os.path.abspath(__file__)  # noqa: PTH100 - a Python too old for pathlib must reach the sentence above
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.dirname(here)))  # noqa: PTH120 - as above
    return int(importlib.import_module("scripts.bootstrap.command").main(sys.argv[1:]))


if __name__ == "__main__":
    raise SystemExit(main())
