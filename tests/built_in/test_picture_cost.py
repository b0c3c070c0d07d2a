"""What a picture costs is said beforehand as the engine counts it afterwards."""

from __future__ import annotations

import hashlib
import queue
from pathlib import Path

import pytest
from PIL import Image

from app.chat.pictures import cost_of
from app.core.built_in import BUILT_IN_MODEL, BUILT_IN_PROJECTOR
from app.core.facts import HostPlan, Plan
from app.core.messages import Picture, ReasoningEffort, Role
from app.engine.client import ChildEngine
from app.engine.protocol import (
    EngineEvent,
    Loaded,
    LoadProgressed,
    LoadRequest,
    Measured,
    MeasureRequest,
    PictureFile,
    PromptMessage,
)
from app.models.gguf import read_projector

pytestmark = pytest.mark.model

PLAN = Plan(True, 2048, 0, (), (), (), HostPlan(0, 0), ())
SIZES = ((1540, 1000), (100, 60), (3000, 200), (168, 168))


def test_the_estimate_is_what_the_engine_counts(tmp_path: Path) -> None:
    events: queue.SimpleQueue[EngineEvent] = queue.SimpleQueue()
    engine = ChildEngine(events.put)

    def answer() -> EngineEvent:
        while isinstance(event := events.get(timeout=120), LoadProgressed):
            pass
        return event

    try:
        engine.ask(LoadRequest("load", BUILT_IN_MODEL, BUILT_IN_PROJECTOR, PLAN))
        loaded = answer()
        assert isinstance(loaded, Loaded)
        assert loaded.longest_side_pixels == read_projector(BUILT_IN_PROJECTOR).image_size
        for number, (width, height) in enumerate(SIZES):
            path = tmp_path / f"{number}.png"
            Image.new("RGB", (width, height), (number, 0, 0)).save(path)
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            message = PromptMessage(Role.USER, "What?", (PictureFile(path, sha256),))
            engine.ask(MeasureRequest(str(number), (message,), ReasoningEffort.NONE))
            measured = answer()
            assert isinstance(measured, Measured)
            picture = Picture(sha256, path.name, "image/png", width, height, 0)
            assert cost_of(picture, loaded.longest_side_pixels) == measured.image_tokens
    finally:
        engine.close()
