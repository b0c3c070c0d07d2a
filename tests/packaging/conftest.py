from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture
def packaging_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the test import the packaging scripts, which are no package."""
    monkeypatch.syspath_prepend(str(ROOT / "packaging"))
