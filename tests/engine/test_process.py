from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from app.core.errors import (
    EngineUnavailable,
)
from app.engine.protocol import (
    AnswerPiece,
    Died,
    RequestFailed,
)
from tests.engine.conftest import Start
from tests.engine.recorder import Recorder, user


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


def test_close_ends_the_process_and_no_event_follows(start_fake: Start, fake_model: Path) -> None:
    fake = start_fake("talks_forever")
    fake.loaded(fake_model)
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


def test_close_kills_a_process_that_does_not_listen(start_fake: Start, fake_model: Path) -> None:
    fake = start_fake("deaf", patience_s=0.2)
    fake.load(fake_model)
    pid = fake.engine.pid
    assert pid is not None

    started = time.monotonic()
    fake.engine.close()

    assert time.monotonic() - started < 5
    assert not is_running(pid)


def test_close_may_be_called_before_anything_and_twice(start_fake: Start) -> None:
    fake = start_fake("answers")

    fake.engine.close()
    fake.engine.close()

    with pytest.raises(RuntimeError):
        fake.generate(user("x"))


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is not a Windows signal")
@pytest.mark.parametrize("scenario", ["talks_forever", "deaf"])
def test_the_child_is_gone_within_a_second_of_its_killed_parent(fake_model: Path, scenario: str) -> None:
    """The deaf one reads nothing: there only the kernel's tie to the parent can end it."""
    script = f"""
import sys, time
from pathlib import Path
from tests.engine.conftest import Start
from tests.engine.recorder import Recorder, fake_command, user
recorder = Recorder(fake_command({scenario!r}))
recorder.load(Path({str(fake_model)!r}))
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


def test_an_installation_without_llama_cpp_is_unavailable(
    tmp_path: Path, fake_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "llama_cpp.py").write_text("raise ImportError('libllama.so: cannot open shared object file')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    recorder = Recorder()  # the real engine

    failed = recorder.end_of(recorder.load(fake_model))
    recorder.engine.close()

    assert isinstance(failed, RequestFailed)
    assert isinstance(failed.error, EngineUnavailable)
    assert "Install the program again" in str(failed.error)
