from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

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
from tests.engine.recorder import Recorder, fake_command, user

NewRecorder = Callable[..., Recorder]


@pytest.fixture
def start() -> Iterator[NewRecorder]:
    recorders: list[Recorder] = []

    def start_fake(*arguments: str, **options: Any) -> Recorder:
        recorders.append(Recorder(fake_command(*arguments), **options))
        return recorders[-1]

    yield start_fake
    for recorder in recorders:
        recorder.engine.close()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    return path


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with suppress(OSError):
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return True


def wait_until(condition: Callable[[], bool], deadline_s: float = 20.0) -> float:
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < deadline_s, "it did not come true in time"
        time.sleep(0.005)
    return time.monotonic() - started


def test_an_answer_comes_piece_by_piece_between_its_first_and_last_event(start: NewRecorder, model: Path) -> None:
    fake = start("answers")
    fake.loaded(model)

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


def test_native_prints_do_not_reach_the_protocol(start: NewRecorder, model: Path) -> None:
    fake = start("prints")
    fake.loaded(model)

    assert fake.generated(user("x")).stats.stop_reason is StopReason.STOP


@pytest.mark.parametrize(
    ("signal_name", "words"),
    [
        ("SIGKILL", "perhaps because memory ran out"),
        ("SIGSEGV", "memory error"),
        ("SIGABRT", "inside itself"),
        ("SIGILL", "this processor"),
        ("SIGBUS", "file could not be read"),
    ],
)
def test_a_crash_in_mid_answer_is_one_died_with_a_sentence(
    start: NewRecorder, model: Path, signal_name: str, words: str
) -> None:
    fake = start("crashes", signal_name)
    fake.loaded(model)

    turn = fake.generate(user("a b c"))
    died = fake.wait_for(Died)

    assert isinstance(died.error, EngineCrashed)
    assert words in str(died.error)
    assert "Your chat is saved" in str(died.error)
    assert fake.answer(turn) == "You said: "
    fake.loaded(model)  # a new process; everything the old one said has been told
    assert sum(isinstance(event, Died) for event in fake.events) == 1
    assert not any(isinstance(event, RequestFailed | Generated) for event in fake.events)


def test_a_failed_allocation_is_named(start: NewRecorder, model: Path) -> None:
    fake = start("runs_out_of_memory")
    fake.loaded(model)

    fake.generate(user("a b c"))

    assert "(memory ran out)" in str(fake.wait_for(Died).error)


@pytest.mark.parametrize("scenario", ["breaks_off", "babbles", "exits"])
def test_every_other_end_is_a_died_too(start: NewRecorder, model: Path, scenario: str) -> None:
    fake = start(scenario)
    fake.loaded(model)

    fake.generate(user("a b c"))

    assert isinstance(fake.wait_for(Died).error, EngineCrashed)
    assert not any("never seen" in event.text for event in fake.events if isinstance(event, AnswerPiece))


def test_a_crash_while_loading_ends_the_load(start: NewRecorder, model: Path) -> None:
    fake = start("crashes_loading", "SIGSEGV")

    load = fake.load(model)

    assert isinstance(fake.end_of(load), Died)
    assert [type(event) for event in fake.of(load)] == [LoadProgressed] * 5


def test_a_death_in_idleness_is_told_at_once_and_the_next_load_starts_anew(start: NewRecorder, model: Path) -> None:
    fake = start("answers")
    fake.loaded(model)
    first = fake.engine.pid
    assert first is not None

    os.kill(first, signal.SIGKILL)

    fake.wait_for(Died)
    assert fake.engine.pid is None
    refused = fake.end_of(fake.generate(user("x")))
    assert not isinstance(refused, RequestFailed) or isinstance(refused.error, ModelNotLoaded)
    fake.loaded(model)
    assert fake.engine.pid not in {None, first}


def test_a_question_before_the_first_load_starts_nothing(start: NewRecorder) -> None:
    fake = start("answers")

    failed = fake.end_of(fake.generate(user("x")))

    assert isinstance(failed, RequestFailed)
    assert isinstance(failed.error, ModelNotLoaded)
    assert fake.engine.pid is None


@pytest.mark.parametrize("scenario", ["ends_at_once", "other_version"])
def test_a_process_that_is_no_engine_is_unavailable(start: NewRecorder, model: Path, scenario: str) -> None:
    fake = start(scenario)

    failed = fake.end_of(fake.load(model))

    assert isinstance(failed, RequestFailed)
    assert isinstance(failed.error, EngineUnavailable)


def test_a_process_that_says_nothing_is_given_up(start: NewRecorder, model: Path) -> None:
    fake = start("never_greets", greeting_timeout_s=0.2)

    failed = fake.end_of(fake.load(model))

    assert isinstance(failed, RequestFailed)
    assert isinstance(failed.error, EngineUnavailable)


def test_a_command_that_can_not_be_run_is_unavailable(tmp_path: Path, model: Path) -> None:
    recorder = Recorder([str(tmp_path / "nothing")])

    failed = recorder.end_of(recorder.load(model))

    assert isinstance(failed, RequestFailed)
    assert isinstance(failed.error, EngineUnavailable)
    recorder.engine.close()


def test_a_missing_file_fails_the_load_and_the_engine_goes_on(start: NewRecorder, model: Path) -> None:
    fake = start("answers")

    failed = fake.end_of(fake.load(model.with_name("missing.gguf")))

    assert isinstance(failed, RequestFailed)
    assert isinstance(failed.error, ModelFileMissing)
    assert isinstance(fake.loaded(model), Loaded)


def test_a_conversation_beyond_every_frame_is_refused(
    start: NewRecorder, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = start("answers")
    fake.loaded(model)
    monkeypatch.setattr(wire, "MAX_FRAME_BYTES", 10_000)

    failed = fake.end_of(fake.generate(user("x" * 10_000)))

    assert isinstance(failed, RequestFailed)
    assert isinstance(failed.error, ContextFull)
    assert fake.generated(user("x")).stats.stop_reason is StopReason.STOP


@pytest.mark.parametrize("scenario", ["slow_prefill", "talks_forever", "thinks_forever"])
def test_cancel_ends_a_turn_in_every_phase(start: NewRecorder, model: Path, scenario: str) -> None:
    fake = start(scenario)
    fake.loaded(model)
    phase = {"slow_prefill": Prefilled, "talks_forever": AnswerPiece, "thinks_forever": ReasoningPiece}

    turn = fake.generate(user("a b c"))
    fake.wait_for(phase[scenario])
    fake.engine.cancel()
    ended = fake.end_of(turn)

    assert isinstance(ended, Generated)
    assert ended.stats.stop_reason is StopReason.CANCELLED


def test_a_cancel_right_after_the_question_is_not_lost(start: NewRecorder, model: Path) -> None:
    fake = start("talks_forever")
    fake.loaded(model)

    for _ in range(20):
        turn = fake.generate(user("a"))
        fake.engine.cancel()
        ended = fake.end_of(turn)
        assert isinstance(ended, Generated)
        assert ended.stats.stop_reason is StopReason.CANCELLED


def test_a_cancel_that_comes_too_late_does_not_hit_the_next_turn(start: NewRecorder, model: Path) -> None:
    fake = start("answers")
    fake.loaded(model)

    for _ in range(20):
        fake.generated(user("a b"))
        fake.engine.cancel()
        assert fake.generated(user("a b")).stats.stop_reason is StopReason.STOP


def test_close_ends_the_process_and_no_event_follows(start: NewRecorder, model: Path) -> None:
    fake = start("talks_forever")
    fake.loaded(model)
    fake.generate(user("a"))
    fake.wait_for(AnswerPiece)
    pid = fake.engine.pid
    assert pid is not None

    fake.engine.close()
    count = len(fake.events)

    assert not is_running(pid)
    assert not any(isinstance(event, Died) for event in fake.events)
    assert not any(thread.name.startswith("engine-") for thread in threading.enumerate())
    assert len(fake.events) == count


def test_close_kills_a_process_that_does_not_listen(start: NewRecorder, model: Path) -> None:
    fake = start("deaf", patience_s=0.2)
    fake.load(model)
    pid = fake.engine.pid
    assert pid is not None

    started = time.monotonic()
    fake.engine.close()

    assert time.monotonic() - started < 5
    assert not is_running(pid)


def test_close_may_be_called_before_anything_and_twice(start: NewRecorder) -> None:
    fake = start("answers")

    fake.engine.close()
    fake.engine.close()

    with pytest.raises(RuntimeError):
        fake.generate(user("x"))


def test_a_listener_that_fails_does_not_silence_the_engine(
    model: Path, expected_warnings: Callable[[str], None]
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

    recorder.loaded(model)
    recorder.engine.close()

    assert failed.is_set()


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is not a Windows signal")
@pytest.mark.parametrize("scenario", ["talks_forever", "deaf"])
def test_the_child_is_gone_within_a_second_of_its_killed_parent(model: Path, scenario: str) -> None:
    """The deaf one reads nothing: there only the kernel's tie to the parent can end it."""
    script = f"""
import sys, time
from pathlib import Path
from tests.engine.recorder import Recorder, fake_command, user
recorder = Recorder(fake_command({scenario!r}))
recorder.load(Path({str(model)!r}))
if {scenario!r} != "deaf":
    recorder.wait_for(object, lambda e: type(e).__name__ == "Loaded")
    recorder.generate(user("a"))
print(recorder.engine.pid, flush=True)
time.sleep(60)
"""
    if scenario == "deaf" and sys.platform != "linux":
        pytest.skip("only Linux ties a process's life to its parent's")
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=root) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        if scenario == "deaf":  # the score is set right after the tie is made
            wait_until(lambda: Path(f"/proc/{child}/oom_score_adj").read_text().strip() == "500")
        assert is_running(child)
        parent.kill()

    assert wait_until(lambda: not is_running(child)) < 1.0


def test_the_child_gets_the_drivers_own_device_order(tmp_path: Path) -> None:
    shown = tmp_path / "environment"
    code = f"import os, pathlib; pathlib.Path({str(shown)!r}).write_text(os.environ['CUDA_DEVICE_ORDER'])"
    recorder = Recorder([sys.executable, "-c", code])

    recorder.end_of(recorder.load(tmp_path))
    recorder.engine.close()

    assert shown.read_text() == "PCI_BUS_ID"
