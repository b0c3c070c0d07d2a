"""A real engine's process ends, in whatever way, and the next one goes on where it was."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.core.messages import Role
from app.engine.protocol import Died, Generated, PromptMessage, Rendered, StateKeeping
from tests.engine.conftest import Start
from tests.engine.recorder import DEADLINE_S, Recorder, user

pytestmark = [pytest.mark.model, pytest.mark.skipif(os.name == "nt", reason="the deaths are POSIX signals")]

LONG = "river stone cloud " * 20


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def files(folder: Path) -> list[Path]:
    return list(folder.glob("*.state"))


def ask(engine: Recorder, said: list[PromptMessage], text: str) -> Generated:
    said.append(user(text))
    ended = engine.generated(*said, max_tokens=6, chat_id="chat")
    said.append(PromptMessage(Role.ASSISTANT, engine.answer(ended.request_id)))
    return ended


@pytest.fixture
def keeping(tmp_path: Path) -> StateKeeping:
    return StateKeeping(tmp_path / "states", 1 << 30)


def test_a_killed_engine_is_restarted_and_continues(
    start: Start, small_model: Path, keeping: StateKeeping, tmp_path: Path
) -> None:
    engine = start(small_model, states=keeping)
    said: list[PromptMessage] = []
    first = ask(engine, said, LONG)
    until(lambda: files(tmp_path / "states"))  # it is idle, and saves
    killed = engine.engine.pid
    assert killed is not None
    cut_short = engine.generate(*said, user("Die!"), chat_id="chat")
    engine.wait_for(Rendered, lambda event: event.request_id == cut_short)
    os.kill(killed, signal.SIGKILL)
    assert isinstance(engine.end_of(cut_short), Died)

    engine.loaded(small_model, states=keeping)
    second = ask(engine, said, "And now?")

    assert engine.engine.pid != killed
    assert second.stats.cached_tokens >= first.stats.prompt_tokens
    assert second.stats.prompt_tokens - second.stats.cached_tokens < 40


def test_closing_right_after_an_answer_keeps_it(
    start: Start, small_model: Path, keeping: StateKeeping, tmp_path: Path
) -> None:
    said: list[PromptMessage] = []
    patient = Recorder(patience_s=DEADLINE_S)
    patient.loaded(small_model, states=keeping)
    ended = ask(patient, said, LONG)
    patient.engine.close()
    assert files(tmp_path / "states")

    again = ask(start(small_model, states=keeping), said, "And now?")
    assert again.stats.cached_tokens >= ended.stats.prompt_tokens


def test_opening_another_model_keeps_what_was_read(
    start: Start, small_model: Path, thinking_model: Path, keeping: StateKeeping
) -> None:
    engine = start(small_model, states=keeping)
    said: list[PromptMessage] = []
    ended = ask(engine, said, LONG)
    engine.loaded(thinking_model, states=keeping)
    assert ask(engine, list(said), "And you?").stats.cached_tokens == 0

    engine.loaded(small_model, states=keeping)
    assert ask(engine, said, "And now?").stats.cached_tokens >= ended.stats.prompt_tokens


def test_a_chat_is_forgotten_at_once(start: Start, small_model: Path, keeping: StateKeeping, tmp_path: Path) -> None:
    engine = start(small_model, states=keeping)
    said: list[PromptMessage] = []
    ask(engine, said, LONG)
    until(lambda: files(tmp_path / "states"))

    engine.engine.forget("chat")

    until(lambda: not files(tmp_path / "states"))
    engine.engine.close()
    assert not files(tmp_path / "states")
