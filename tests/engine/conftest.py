"""Engines for tests, closed when the test is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.recorder import Recorder, fake_command

Start = Callable[..., Recorder]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a real engine (or what `command` says); with a model, open it."""
    recorders: list[Recorder] = []

    def start_engine(*model: Path, command: list[str] | None = None, **options: Any) -> Recorder:
        recorders.append(Recorder(command))
        if model:
            recorders[-1].loaded(*model, **options)
        return recorders[-1]

    yield start_engine
    for recorder in recorders:
        recorder.engine.close()


@pytest.fixture
def start_fake() -> Iterator[Start]:
    """Start the scripted engine with a scenario."""
    recorders: list[Recorder] = []

    def start_engine(*scenario: str, **options: Any) -> Recorder:
        recorders.append(Recorder(fake_command(*scenario), **options))
        return recorders[-1]

    yield start_engine
    for recorder in recorders:
        recorder.engine.close()


@pytest.fixture
def fake_model(tmp_path: Path) -> Path:
    """A file that the scripted engine opens."""
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    return path
