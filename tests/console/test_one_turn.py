"""One question to a scripted engine: Ctrl-C at bad moments, crashes, plans that do not fit."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.console.one_turn import Question, answer, write_json, write_text
from app.core.errors import Cancelled, EngineCrashed, EngineUnavailable, NotEnoughMemory, PictureUnreadable
from app.core.messages import ReasoningEffort, StopReason, TurnStats
from app.core.settings import Settings
from app.engine.client import ChildEngine
from app.engine.protocol import (
    AnswerPiece,
    EngineEvent,
    Generated,
    Listener,
    LoadProgressed,
    Prefilled,
    ReasoningPiece,
)
from tests.models.gguf_builder import small_gguf

FAKE_CHILD = Path(__file__).resolve().parents[1] / "engine" / "fake_child.py"
MakeEngine = Callable[[Listener], ChildEngine]


class Console:
    """Hold what was written, and every engine that was made."""

    def __init__(self) -> None:
        self.written: list[EngineEvent] = []
        self.engines: list[ChildEngine] = []
        self.on_write: Callable[[EngineEvent], None] = lambda event: None
        self.on_event: Callable[[EngineEvent], None] = lambda event: None

    def ask(self, question: Question, *scenario: str, settings: Settings | None = None) -> list[EngineEvent]:
        def make_engine(listener: Listener) -> ChildEngine:
            def listen(event: EngineEvent) -> None:
                listener(event)
                self.on_event(event)

            self.engines.append(ChildEngine(listen, [sys.executable, str(FAKE_CHILD), *scenario]))
            return self.engines[-1]

        def write(event: EngineEvent) -> None:
            self.written.append(event)
            self.on_write(event)

        answer(question, write, make_engine, settings or Settings())
        return self.written


@pytest.fixture
def console() -> Iterator[Console]:
    # A shell starts what runs in the background with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    console = Console()
    yield console
    assert all(engine.pid is None for engine in console.engines), "an engine is left behind"
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


@pytest.fixture
def question(tmp_path: Path) -> Question:
    model = small_gguf().write(tmp_path / "model.gguf")
    return Question(model, None, (), "hello there", ReasoningEffort.NONE, None, None)


def interrupt(_event: EngineEvent) -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_the_answer_is_written_as_it_comes(console: Console, question: Question) -> None:
    events = console.ask(question, "answers")
    text = "".join(event.text for event in events if isinstance(event, AnswerPiece))
    assert text == "You said: hello there "
    assert isinstance(events[-1], Generated)


def test_ctrl_c_in_mid_answer_stops_it(console: Console, question: Question) -> None:
    def once(event: EngineEvent) -> None:
        if isinstance(event, AnswerPiece):
            console.on_write = lambda later: None
            interrupt(event)

    console.on_write = once
    end = console.ask(question, "talks_forever")[-1]
    assert isinstance(end, Generated)
    assert end.stats.stop_reason is StopReason.CANCELLED


def test_ctrl_c_while_the_prompt_is_read(console: Console, question: Question) -> None:
    def once(event: EngineEvent) -> None:
        if isinstance(event, Prefilled):
            console.on_event = lambda later: None
            interrupt(event)

    console.on_event = once
    end = console.ask(question, "slow_prefill")[-1]
    assert isinstance(end, Generated)
    assert end.stats.stop_reason is StopReason.CANCELLED


def test_ctrl_c_while_the_model_loads(console: Console, question: Question) -> None:
    def once(event: EngineEvent) -> None:
        if isinstance(event, LoadProgressed):
            console.on_event = lambda later: None
            interrupt(event)

    console.on_event = once
    with pytest.raises(Cancelled):
        console.ask(question, "slow_load")


def test_a_second_ctrl_c_ends_the_program_as_usual(console: Console, question: Question) -> None:
    before = signal.getsignal(signal.SIGINT)

    def twice(event: EngineEvent) -> None:
        if isinstance(event, AnswerPiece):
            interrupt(event)
            while signal.getsignal(signal.SIGINT) is not before:  # two at once may arrive as one
                time.sleep(0.001)
            interrupt(event)

    console.on_write = twice
    with pytest.raises(KeyboardInterrupt):
        console.ask(question, "talks_forever")


@pytest.mark.parametrize("scenario", [("crashes", "SIGKILL"), ("crashes_loading", "SIGSEGV"), ("exits",)])
def test_a_crash_is_an_error_with_a_sentence(console: Console, question: Question, scenario: tuple[str, ...]) -> None:
    with pytest.raises(EngineCrashed, match="stopped unexpectedly"):
        console.ask(question, *scenario)


def test_an_engine_that_can_not_start(console: Console, question: Question) -> None:
    with pytest.raises(EngineUnavailable, match="could not be started"):
        console.ask(question, "ends_at_once")


def test_a_model_that_does_not_fit_is_not_loaded(console: Console, question: Question, tmp_path: Path) -> None:
    small_gguf(context_length=1 << 30).write(question.model)
    with pytest.raises(NotEnoughMemory):
        console.ask(question, "answers", settings=Settings(context_tokens=1 << 30))
    assert console.engines == []


def test_a_pipe_is_no_picture(console: Console, question: Question, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(PictureUnreadable, match="not a file"):
        console.ask(Question(question.model, None, (tmp_path / "pipe.png",), "?", question.effort, None, None))


def test_json_keeps_every_letter_on_one_line() -> None:
    out = io.StringIO()
    write_json(AnswerPiece("id", "line\nbreak \u2028 “ü” \x00"), out)
    write_json(ReasoningPiece("id", "hm"), out)
    write_json(Prefilled("id", 1, 2), out)
    stats = TurnStats(StopReason.STOP, 1, 2, 3, 4, 5, 6.00049, 7.0, 8.0, 9.123456)
    write_json(Generated("id", stats), out)
    first, second, third = out.getvalue().split("\n")[:-1]
    assert json.loads(first) == {"event": "answer", "text": "line\nbreak \u2028 “ü” \x00"}
    assert json.loads(second) == {"event": "reasoning", "text": "hm"}
    assert json.loads(third) == {
        "event": "finished",
        "stop_reason": "stop",
        "prompt_tokens": 1,
        "cached_tokens": 2,
        "image_tokens": 3,
        "generated_tokens": 4,
        "reasoning_tokens": 5,
        "prefill_ms": 6.0,
        "first_token_ms": 7.0,
        "tokens_per_second": 9.123,
    }


def test_text_keeps_answer_and_reasoning_apart() -> None:
    out, reasoning = io.StringIO(), io.StringIO()
    for event in (ReasoningPiece("id", "hm"), AnswerPiece("id", "yes"), Generated("id", TurnStats(StopReason.STOP))):
        write_text(event, out, reasoning)
    assert (out.getvalue(), reasoning.getvalue().strip()) == ("yes\n", "hm")
