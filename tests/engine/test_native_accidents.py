"""Accidents inside the native code of the real engine: a sentence each, and the next load goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.core.errors import EngineCrashed
from app.core.messages import StopReason
from app.engine.protocol import AnswerPiece, Died, Prefilled, Sampling
from tests.engine.conftest import Start
from tests.engine.recorder import Recorder, user
from tests.engine.test_process import is_running, wait_until

pytestmark = [pytest.mark.model, pytest.mark.skipif(os.name == "nt", reason="POSIX signals and limits")]

ROOT = Path(__file__).resolve().parents[2]
CHILD = Path(__file__).with_name("sabotaged_child.py")
STEPS = 6  # the warm-up, the prompt, and some tokens
ENDLESS = Sampling(temperature=1.0, seed=1)


def sabotaged(accident: str) -> list[str]:
    return [sys.executable, str(CHILD), accident, str(STEPS)]


@pytest.mark.parametrize(
    ("accident", "words"),
    [
        ("assertion", "a mistake in its own work: “GGML_ASSERT("),
        ("segfault", "a memory error"),
        ("exception", "(memory ran out: it held "),
        ("null", "(memory ran out: it held "),
        ("hang", "it did nothing for 2 seconds while testing"),
    ],
)
def test_an_accident_in_the_middle_of_an_answer(start: Start, small_model: Path, accident: str, words: str) -> None:
    engine = start(command=sabotaged(accident))
    engine.loaded(small_model)
    old = engine.engine.pid

    turn = engine.generate(user("Tell me a story."), sampling=ENDLESS, max_tokens=50)
    died = engine.wait_for(Died)

    assert died.request_id == turn
    assert words in str(died.error)
    assert len(str(died.error)) < 250
    assert isinstance(died.error, EngineCrashed)
    engine.loaded(small_model)
    assert engine.engine.pid not in {None, old}
    assert engine.generated(user("Hi"), max_tokens=2).stats.stop_reason is StopReason.LENGTH


@pytest.mark.parametrize("phase", ["idle", "reading", "writing"])
def test_a_stopped_engine_is_ended_and_the_next_load_goes_on(small_model: Path, phase: str) -> None:
    engine = Recorder(silence_timeout_s=3.0)
    engine.loaded(small_model)
    if phase == "reading":
        engine.generate(user("word " * 3000), sampling=ENDLESS)
        engine.wait_for(Prefilled)
    elif phase == "writing":
        engine.generate(user("word"), sampling=ENDLESS)
        engine.wait_for(AnswerPiece)
    pid = engine.engine.pid
    assert pid is not None

    os.kill(pid, signal.SIGSTOP)

    assert "did not answer any more" in str(engine.wait_for(Died).error)
    wait_until(lambda: not is_running(pid))
    engine.loaded(small_model)
    assert engine.generated(user("Hi"), max_tokens=2).stats.stop_reason is StopReason.LENGTH
    engine.engine.close()


PARENT = """
import sys, time
from pathlib import Path
from app.engine.protocol import Prefilled
from tests.engine.recorder import Recorder, user
engine = Recorder()
model, phase = Path(sys.argv[1]), sys.argv[2]
engine.loaded(model)
if phase == "reading":
    engine.generate(user("word " * 3500))
    engine.wait_for(Prefilled)
elif phase == "loading":
    engine.load(model)
print(engine.engine.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("phase", ["loading", "reading", "idle"])
def test_the_engine_is_gone_within_a_second_of_its_killed_parent(small_model: Path, phase: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(small_model), phase], stdout=subprocess.PIPE, cwd=ROOT
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()

    assert wait_until(lambda: not is_running(child)) < 1.0
