from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.core.settings import Settings
from tests.chat.stage import Stage

MakeStage = Callable[..., Stage]


@pytest.fixture
def make_stage(tmp_path: Path) -> Iterator[MakeStage]:
    """Start services, each with the scenario of its engine; without one the engine is steered by files."""
    stages: list[Stage] = []

    def make(*scenario: str, settings: Settings | None = None) -> Stage:
        stages.append(Stage(tmp_path, scenario, settings))
        return stages[-1].start()

    yield make
    for stage in stages:
        stage.close()


@pytest.fixture
def stage(make_stage: MakeStage) -> Stage:
    """A service whose engine holds a model and is steered by files."""
    stage = make_stage()
    stage.load()
    return stage
