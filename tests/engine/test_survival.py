"""Whatever happens to the engine's process ends in one sentence, and the next load starts it anew."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from app.core.errors import EngineCrashed, EngineOutOfGpuMemory, EngineOutOfMemory
from app.core.messages import ReasoningEffort
from app.engine.child.pulse import limits_of
from app.engine.child.watch import LOADING, OPENING, READING, WRITING, Limits, Look, Watch
from app.engine.endings import Ending, explain
from app.engine.protocol import (
    AnswerPiece,
    Died,
    EngineEvent,
    Generated,
    GenerateRequest,
    LoadProgressed,
    LoadRequest,
    Prefilled,
    Sampling,
)
from app.engine.wire import EXIT_STUCK, Beat
from tests.engine.conftest import Start
from tests.engine.recorder import Recorder, cpu_plan, fake_command, user

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
ROOT = Path(__file__).resolve().parents[2]
GIB = 1 << 30


def died_of(fake: Recorder, model: Path) -> Died:
    """Ask, wait for the engine's death, and see that a new process serves the next load and question."""
    fake.loaded(model)
    old = fake.engine.pid
    turn = fake.generate(user("a b c"))
    died = fake.wait_for(Died)
    assert died.request_id == turn
    assert isinstance(died.error, EngineCrashed)
    assert fake.answer(turn) == "You said: ", "what had arrived stays"
    fake.loaded(model)
    assert fake.engine.pid not in {None, old}
    return died


@posix
@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        ("blocks", "it did nothing for 1 seconds while writing the answer"),
        ("spins", "it got no further for 2 seconds while writing the answer"),
        ("keeps_the_lock", "it did not answer any more"),
        ("asserts", "a mistake in its own work: “GGML_ASSERT(n > 0) failed, ggml.c:3043”"),
    ],
)
def test_hung_and_failed_work_is_ended_with_a_sentence(
    start_fake: Start, fake_model: Path, scenario: str, words: str
) -> None:
    fake = start_fake(scenario, silence_timeout_s=3.0)

    assert words in str(died_of(fake, fake_model).error)


@posix
@pytest.mark.parametrize("is_busy", [False, True])
def test_a_stopped_process_is_noticed_while_idle_and_at_work(
    start_fake: Start, fake_model: Path, is_busy: bool
) -> None:
    fake = start_fake("talks_forever", silence_timeout_s=2.0)
    fake.loaded(fake_model)
    if is_busy:
        fake.generate(user("a"))
        fake.wait_for(AnswerPiece)
    pid = fake.engine.pid
    assert pid is not None

    os.kill(pid, signal.SIGSTOP)

    assert "did not answer any more" in str(fake.wait_for(Died).error)
    fake.loaded(fake_model)
    assert fake.engine.pid != pid


@posix
def test_an_idle_engine_is_left_alone(start_fake: Start, fake_model: Path) -> None:
    """Beats alone keep it alive, for much longer than silence would be allowed."""
    fake = start_fake("answers", silence_timeout_s=1.5)
    fake.loaded(fake_model)
    pid = fake.engine.pid

    assert not threading.Event().wait(4.5)

    assert fake.engine.pid == pid
    assert not any(isinstance(event, Died) for event in fake.events)


@posix
def test_a_process_that_no_signal_reaches_is_given_up(start_fake: Start, fake_model: Path) -> None:
    """A process stuck in a driver keeps its pipes; here another process keeps them open."""
    fake = start_fake("can_not_die", silence_timeout_s=1.0)

    assert "did not answer any more" in str(died_of(fake, fake_model).error)


@posix
def test_a_request_that_a_hung_process_does_not_take_ends_too(start_fake: Start, fake_model: Path) -> None:
    """The pipe to the child is full: who asks is held up until the watchdog has seen it, and no longer."""
    fake = start_fake("deaf", silence_timeout_s=1.0)
    fake.load(fake_model)

    fake.generate(user("x" * (1 << 20)))

    assert "did not answer any more" in str(fake.wait_for(Died).error)


def test_a_slow_listener_loses_nothing(fake_model: Path) -> None:
    fake = Recorder(fake_command("floods", "20000"))
    heard = fake.engine._listener
    first = threading.Event()

    def listen(event: EngineEvent) -> None:
        if isinstance(event, AnswerPiece) and not first.is_set():
            first.set()
            time.sleep(2.5)  # longer than this engine lets its work hang
        heard(event)

    fake.engine._listener = listen
    fake.loaded(fake_model)

    turn = fake.generate(user("a"))
    ended = fake.end_of(turn)
    fake.engine.close()

    assert isinstance(ended, Generated)
    assert fake.answer(turn).split()[2:20002] == [str(number) for number in range(20000)]


FLOODED = """
import sys
from pathlib import Path
from tests.engine.recorder import Recorder, fake_command, user
fake = Recorder(fake_command("floods", "20000"))
fake.loaded(Path(sys.argv[1]))
turn = fake.generate(user("a"))
print(fake.engine.pid, flush=True)
fake.end_of(turn)
print(len(fake.answer(turn).split()), flush=True)
fake.engine.close()
"""


@posix
def test_a_full_pipe_makes_the_child_wait_and_not_die(fake_model: Path) -> None:
    """The whole parent stands still for longer than the child lets its work hang."""
    with subprocess.Popen(
        [sys.executable, "-c", FLOODED, str(fake_model)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGSTOP)
        assert not threading.Event().wait(4)
        assert Path(f"/proc/{child}").exists() or sys.platform != "linux"
        os.kill(parent.pid, signal.SIGCONT)

        assert parent.stdout.readline().strip() == "20003"


# --- what counts as getting further ---------------------------------------------------------------

LIMITS = Limits("testing", still_s=10, step_s=20)


def looks(**growth: float) -> list[Look]:
    """Return a look a second for a minute; what is named grows by so much each time."""
    per_s = {"steps": 0, "cpu_s": 0.0, "read_bytes": 0, "memory_bytes": 0, **growth}
    return [Look(float(at), **{name: type(each)(at * each) for name, each in per_s.items()}) for at in range(60)]  # type: ignore[arg-type]  # the names are Look's


def ended_at(seen: list[Look]) -> float:
    watch = Watch(seen[0])
    return next((look.at_s for look in seen[1:] if watch.judge(look, LIMITS)), 0.0)


def test_what_ends_work() -> None:
    assert ended_at(looks()) == 11, "neither computing nor reading"
    assert ended_at(looks(cpu_s=1.0)) == 21, "computing without a step"
    assert ended_at(looks(cpu_s=16.0)) == 21, "with many threads"
    assert ended_at(looks(cpu_s=0.4)) == 51, "on a crowded machine it gets its time"


@pytest.mark.parametrize("sign", [{"steps": 1}, {"read_bytes": 4096}, {"memory_bytes": 8 << 20}])
def test_signs_of_getting_further(sign: dict[str, float]) -> None:
    assert ended_at(looks(**sign)) == 0


def test_a_machine_that_slept_is_no_hung_work() -> None:
    watch = Watch(Look(0.0, 0, 0.0, 0, 0))

    assert watch.judge(Look(3600.0, 0, 0.0, 0, 0), LIMITS) == ""


def test_resting_starts_anew() -> None:
    seen = looks()
    watch = Watch(seen[0])
    for look in seen[1:]:
        assert not watch.judge(look, LIMITS)
        if look.at_s % 8 == 0:
            watch.rest(look)


def test_every_phase_has_its_limits() -> None:
    load = LoadRequest("1", Path("m.gguf"), None, cpu_plan())
    ask = GenerateRequest("2", (user("a"),), ReasoningEffort.NONE, Sampling(temperature=0.0))

    assert limits_of(load, None) is OPENING
    assert limits_of(load, LoadProgressed("1", 0.5)) is LOADING
    assert limits_of(ask, None) is READING
    assert limits_of(ask, Prefilled("2", 1, 2)) is READING
    assert limits_of(ask, AnswerPiece("2", "x")) is WRITING


# --- sentences ------------------------------------------------------------------------------------


def ending(exit_code: int, **changes: object) -> Ending:
    values: dict[str, object] = {"last_words": "", "tail": "", "babbled": False, "greeted": True, **changes}
    return Ending(exit_code=exit_code, **values)  # type: ignore[arg-type]  # the names are Ending's


SCARCE = Beat(23 * GIB, GIB // 4, 32 * GIB)
PLENTY = Beat(23 * GIB, 8 * GIB, 32 * GIB)


@posix
def test_a_kill_for_memory_is_said_with_its_numbers() -> None:
    for known in (ending(-9, beat=SCARCE), ending(-9, beat=SCARCE, memory_kills=1)):
        error = explain(known)
        assert isinstance(error, EngineOutOfMemory)
        assert "memory ran out: it held 23.0 GiB, and 0.2 of 32.0 GiB were free" in str(error)
    assert isinstance(explain(ending(-9, beat=PLENTY, memory_kills=1)), EngineOutOfMemory)


@posix
def test_a_kill_with_memory_to_spare_is_no_want_of_memory() -> None:
    error = explain(ending(-9, beat=PLENTY))

    assert type(error) is EngineCrashed
    assert "killed from outside: it held 23.0 GiB, and 8.0 of 32.0 GiB were free" in str(error)


def test_an_end_for_hanging_says_what_hung() -> None:
    assert "(it did nothing for 120 seconds while reading the prompt)" in str(
        explain(ending(EXIT_STUCK, last_words="it did nothing for 120 seconds while reading the prompt"))
    )


@posix
@pytest.mark.parametrize(
    ("last_words", "tail", "quoted"),
    [
        ("ggml.c:12: GGML_ASSERT(a == b) failed", "", "“GGML_ASSERT(a == b) failed, ggml.c:12”"),
        ("C:\\work\\ggml-cuda.cu:90: CUDA error", "", "“CUDA error, ggml-cuda.cu:90”"),
        ("", "terminate called after throwing\n  what():  vector::_M_range_check", "“vector::_M_range_check”"),
        ("x" * 500, "", "x…”"),
        ("", "I nothing of note", "(it found a mistake in its own work)"),
    ],
)
def test_last_words_are_quoted_briefly(last_words: str, tail: str, quoted: str) -> None:
    sentence = str(explain(ending(-6, last_words=last_words, tail=tail)))

    assert quoted in sentence
    assert len(sentence) < 250


@posix
def test_a_graphics_card_that_is_full_is_told_from_ram() -> None:
    said = "CUDA error: out of memory\n  current device: 0, in function alloc\nggml-cuda.cu:89: CUDA error"

    assert isinstance(explain(ending(-6, last_words="ggml-cuda.cu:89: CUDA error", tail=said)), EngineOutOfGpuMemory)
    assert type(explain(ending(-6, tail="what():  std::bad_alloc"))) is EngineOutOfMemory
