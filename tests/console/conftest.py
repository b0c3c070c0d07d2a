from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOLO = [sys.executable, "-m", "app"]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which the program has folders of its own."""
    folders = {f"XDG_{name}_HOME": str(tmp_path / name.lower()) for name in ("CACHE", "CONFIG", "DATA", "STATE")}
    # A person's Python buffers what it writes to a pipe.
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**buffered, **folders, "HOME": str(tmp_path)}


@pytest.fixture
def solo(home: dict[str, str]) -> Run:
    """Run the program in a process of its own until it ends."""

    def run(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        options = {"cwd": ROOT, "env": home, "timeout": 240, "encoding": "utf-8"} | options
        return subprocess.run([*SOLO, *map(str, arguments)], capture_output=True, check=False, **options)

    return run
