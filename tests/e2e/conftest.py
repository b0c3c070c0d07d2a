from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.desktop import Program, Screen, screen


@pytest.fixture(scope="session")
def display() -> Iterator[Screen]:
    """A virtual screen with a window manager, for all tests of this folder."""
    with screen() as here:
        yield here


@pytest.fixture
def solo(display: Screen, tmp_path: Path) -> Iterator[Program]:
    """The program with folders of its own; nothing may be left in its error output."""
    program = Program(display, tmp_path)
    yield program
    program.close()
    assert "Traceback" not in program.errors, program.errors
