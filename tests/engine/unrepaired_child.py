"""The real engine without its repair of the rows that end a picture's lines."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from app.engine.child import __main__ as child
from app.engine.child.vision import BreakRepair


def leave_alone(*_arguments: object) -> None:
    """Do nothing."""


if __name__ == "__main__":
    BreakRepair.apply = leave_alone  # type: ignore[method-assign]
    raise SystemExit(child.main())
