from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from app.core.errors import (
    ContextFull,
    EngineCrashed,
    EngineUnavailable,
    ModelFileMissing,
    ModelNotLoaded,
)
from app.core.messages import ReasoningEffort, StopReason
from app.engine import wire
from app.engine.protocol import (
    AnswerPiece,
    Died,
    Generated,
    Loaded,
    LoadProgressed,
    Prefilled,
    ReasoningEnded,
    ReasoningPiece,
    Rendered,
    RequestFailed,
)
from tests.engine.conftest import Start
from tests.engine.recorder import Recorder, fake_command, user


def test_an_answer_comes_piece_by_piece_between_its_first_and_last_event(start_fake: Start, fake_model: Path) -> None:
    fake = start_fake("answers")
    fake.loaded(fake_model)

    turn = fake.generate(user("hello there"), effort=ReasoningEffort.HIGH)
    fake.end_of(turn)

    kinds = [type(event) for event in fake.of(turn)]
    assert kinds == [
        Rendered,
        *[Prefilled] * kinds.count(Prefilled),
        *[ReasoningPiece] * 3,
        ReasoningEnded,
        *[AnswerPiece] * 4,
        Generated,
    ]
    assert fake.answer(turn) == "You said: hello there "


def test_native_prints_do_not_reach_the_protocol(start_fake: Start, fake_model: Path) -> None:
    fake = start_fake("prints")
    fake.loaded(fake_model)

    assert fake.generated(user("x")).stats.stop_reason is StopReason.STOP


@pytest.mark.parametrize(
    ("signal_name", "words"),
    [
        ("SIGKILL", "perhaps because memory ran out"),
        ("SIGSEGV", "memory error"),
        ("SIGABRT", "mistake in its own work"),
        ("SIGILL", "this processor"),
        ("SIGBUS", "file could not be read"),
    ],
)
def test_a_crash_in_mid_answer_is_one_died_with_a_sentence(
    start_fake: Start, fake_model: Path, signal_name: str, words: str
) -> None:
    fake = start_fake("crashes", signal_name)
    fake.loaded(fake_model)

    turn = fake.generate(user("a b c"))
    died = fake.wait_for(Died)

    assert isinstance(died.error, EngineCrashed)
    assert words in str(died.error)
    assert str(died.error).endswith(").")
    assert fake.answer(turn) == "You said: "
    fake.loaded(fake_model)  # a new process; everything the old one said has been told
    assert sum(isinstance(event, Died) for event in fake.events) == 1
    assert not any(isinstance(event, RequestFailed | Generated) for event in fake.events)


def test_a_failed_allocation_is_named(start_fake: Start, fake_model: Path) -> None:
    fake = start_fake("runs_out_of_memory")
    fake.loaded(fake_model)

    fake.generate(user("a b c"))

    assert "(memory ran out)" in str(fake.wait_for(Died).error)


@pytest.mark.parametrize("scenario", ["breaks_off", "babbles", "exits"])
def test_every_other_end_is_a_died_too(start_fake: Start, fake_model: Path, scenario: str) -> None:
    fake = start_fake(scenario)
    fake.loaded(fake_model)

    fake.generate(user("a b c"))

    assert isinstance(fake.wait_for(Died).error, EngineCrashed)
    assert not any("never seen" in event.text for event in fake.events if isinstance(event, AnswerPiece))


def test_a_crash_while_loading_ends_the_load(start_fake: Start, fake_model: Path) -> None:
    fake = start_fake("crashes_loading", "SIGSEGV")

    load = fake.load(fake_model)

    assert isinstance(fake.end_of(load), Died)
    assert [type(event) for event in fake.of(load)] == [*[LoadProgressed] * 5, Died]


def test_a_death_in_idleness_is_told_at_once_and_the_next_load_starts_anew(start_fake: Start, fake_model: Path) -> None:
    fake = start_fake("answers")
    fake.loaded(fake_model)
    first = fake.engine.pid
    assert first is not None

    os.kill(first, signal.SIGKILL)

    fake.wait_for(Died)
    assert fake.engine.pid is None
    refused = fake.end_of(fake.generate(user("x")))
    assert not isinstance(refused, RequestFailed) or isinstance(refused.error, ModelNotLoaded)
    fake.loaded(fake_model)
    assert fake.engine.pid not in {None, first}


def test_a_question_before_the_first_load_starts_nothing(start_fake: Start) -> None:
    fake = start_fake("answers")

    failed = fake.end_of(fake.generate(user("x")))

    assert isinstance(failed, RequestFailed)
    assert isinstance(failed.error, ModelNotLoaded)
    assert fake.engine.pid is None


@pytest.mark.parametrize("scenario", ["ends_at_once", "other_version"])
def test_a_process_that_is_no_engine_is_unavailable(start_fake: Start, fake_model: Path, scenario: str) -> None:
    fake = start_fake(scenario)

    failed = fake.end_of(fake.load(fake_model))

    assert isinstance(failed, RequestFailed)
    assert isinstance(failed.error, EngineUnavailable)


def test_a_process_that_says_nothing_is_given_up(start_fake: Start, fake_model: Path) -> None:
    fake = start_fake("never_greets", greeting_timeout_s=0.2)

    failed = fake.end_of(fake.load(fake_model))

    assert isinstance(failed, RequestFailed)
    assert isinstance(failed.error, EngineUnavailable)


def test_a_command_that_can_not_be_run_is_unavailable(tmp_path: Path, fake_model: Path) -> None:
    recorder = Recorder([str(tmp_path / "nothing")])

    failed = recorder.end_of(recorder.load(fake_model))

    assert isinstance(failed, RequestFailed)
    assert isinstance(failed.error, EngineUnavailable)
    recorder.engine.close()


def test_a_missing_file_fails_the_load_and_the_engine_goes_on(start_fake: Start, fake_model: Path) -> None:
    fake = start_fake("answers")

    failed = fake.end_of(fake.load(fake_model.with_name("missing.gguf")))

    assert isinstance(failed, RequestFailed)
    assert isinstance(failed.error, ModelFileMissing)
    assert isinstance(fake.loaded(fake_model), Loaded)


def test_a_conversation_beyond_every_frame_is_refused(
    start_fake: Start, fake_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = start_fake("answers")
    fake.loaded(fake_model)
    monkeypatch.setattr(wire, "MAX_FRAME_BYTES", 10_000)

    failed = fake.end_of(fake.generate(user("x" * 10_000)))

    assert isinstance(failed, RequestFailed)
    assert isinstance(failed.error, ContextFull)
    assert fake.generated(user("x")).stats.stop_reason is StopReason.STOP


@pytest.mark.parametrize("scenario", ["slow_prefill", "talks_forever", "thinks_forever"])
def test_cancel_ends_a_turn_in_every_phase(start_fake: Start, fake_model: Path, scenario: str) -> None:
    fake = start_fake(scenario)
    fake.loaded(fake_model)
    phase = {"slow_prefill": Prefilled, "talks_forever": AnswerPiece, "thinks_forever": ReasoningPiece}

    turn = fake.generate(user("a b c"))
    fake.wait_for(phase[scenario])
    fake.engine.cancel()
    ended = fake.end_of(turn)

    assert isinstance(ended, Generated)
    assert ended.stats.stop_reason is StopReason.CANCELLED


def test_a_cancel_right_after_the_question_is_not_lost(start_fake: Start, fake_model: Path) -> None:
    fake = start_fake("talks_forever")
    fake.loaded(fake_model)

    for _ in range(20):
        turn = fake.generate(user("a"))
        fake.engine.cancel()
        ended = fake.end_of(turn)
        assert isinstance(ended, Generated)
        assert ended.stats.stop_reason is StopReason.CANCELLED


def test_a_cancel_that_comes_too_late_does_not_hit_the_next_turn(start_fake: Start, fake_model: Path) -> None:
    fake = start_fake("answers")
    fake.loaded(fake_model)

    for _ in range(20):
        fake.generated(user("a b"))
        fake.engine.cancel()
        assert fake.generated(user("a b")).stats.stop_reason is StopReason.STOP


def test_a_listener_that_fails_does_not_silence_the_engine(
    fake_model: Path, expected_warnings: Callable[[str], None]
) -> None:
    expected_warnings("the listener failed on LoadProgressed")
    recorder = Recorder(fake_command("answers"))
    heard = recorder.engine._listener
    failed = threading.Event()

    def fail_once(event: object) -> None:
        if not failed.is_set():
            failed.set()
            raise ValueError("a bug of the listener")
        heard(event)  # type: ignore[arg-type]  # whatever came is passed on

    recorder.engine._listener = fail_once

    recorder.loaded(fake_model)
    recorder.engine.close()

    assert failed.is_set()
