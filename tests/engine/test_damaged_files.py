"""Five hundred damaged files through the header reader and the real engine: a sentence each, and never a hang."""

from __future__ import annotations

import os
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from app.core.errors import AppError, ModelError
from app.engine.process import engine_command
from app.engine.protocol import Died, Generated, Loaded, RequestFailed
from app.models.gguf import read_model, read_projector
from tests.engine.damage import Anatomy, damaged, dissect
from tests.engine.recorder import Recorder, cpu_plan, user

pytestmark = [pytest.mark.model, pytest.mark.skipif(os.name == "nt", reason="Windows has no ulimit")]

N_MODELS, N_PROJECTORS = 400, 100
LIMIT_S = 30.0
LIMIT_KIB = 3 << 20  # of address space, libraries and all; the sound model needs a third
RESIDENT_LIMIT_KIB = 2 << 20  # a projector may claim to see large pictures, and gets buffers for them
SENTENCE = re.compile(r".{20,}\.$", re.DOTALL)
TRACEBACKS = re.compile(r"Traceback|0x[0-9a-f]{6,}|Error\(")


class Rig:
    """Load damaged files into one engine, which starts anew only when it died."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        command = ["sh", "-c", f"ulimit -v {LIMIT_KIB}; exec {' '.join(engine_command())}"]
        self.recorder = Recorder(command)
        self.outcomes: Counter[str] = Counter()
        self.deaths: list[str] = []
        self.slowest_s = 0.0

    def load(self, name: str, model: Path, projector: Path | None = None) -> None:
        started = time.monotonic()
        recorder = self.recorder
        recorder.events.clear()
        event = recorder.end_of(recorder.load(model, projector, plan=cpu_plan(256)))
        if isinstance(event, Loaded):  # the damage may be where it does no harm; then it must answer or say why not
            event = recorder.end_of(recorder.generate(user("Hi"), max_tokens=2))
        self.slowest_s = max(self.slowest_s, time.monotonic() - started)
        self.judge(name, event)

    def judge(self, name: str, event: object) -> None:
        assert isinstance(event, Generated | RequestFailed | Died), event
        kind = type(event).__name__
        if isinstance(event, RequestFailed | Died):
            check_sentence(event.error)
            kind = type(event.error).__name__
        if isinstance(event, Died):
            self.deaths.append(f"{name}: {event.error}")
        self.outcomes[kind] += 1
        assert self.resident_kib() < RESIDENT_LIMIT_KIB

    def resident_kib(self) -> int:
        with suppress(OSError, TypeError):
            status = Path(f"/proc/{self.recorder.engine.pid}/status").read_text()
            return int(re.search(r"VmHWM:\s+(\d+)", status)[1])  # type: ignore[index]  # TypeError is suppressed
        return 0

    def close(self) -> None:
        self.recorder.engine.close()


def check_sentence(error: AppError) -> None:
    assert SENTENCE.match(str(error)), error
    assert not TRACEBACKS.search(str(error)), error
    assert "Something went wrong inside the engine" not in str(error), error


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def whole_model(small_model: Path) -> Anatomy:
    return dissect(small_model)


@pytest.fixture(scope="module")
def whole_projector(projector: Path) -> Anatomy:
    return dissect(projector)


@pytest.mark.timeout(3600)
def test_damaged_models(rig: Rig, whole_model: Anatomy, small_model: Path, tmp_path: Path) -> None:
    chance, path = random.Random(20260), tmp_path / "damaged.gguf"
    refused = 0
    for _ in range(N_MODELS):
        name, content = damaged(whole_model, chance)
        path.write_bytes(content)
        refused += refuses(path, is_projector=False)
        rig.load(name, path)
    rig.load("whole", small_model)

    assert rig.outcomes["Generated"] > 1, "not all damage does harm"
    assert refused > N_MODELS // 3, "the header reader finds the most of it before anything is loaded"
    assert len(rig.deaths) <= N_MODELS // 50, rig.deaths
    assert rig.slowest_s < LIMIT_S


@pytest.mark.timeout(3600)
def test_damaged_projectors(
    rig: Rig, whole_projector: Anatomy, small_model: Path, projector: Path, tmp_path: Path
) -> None:
    chance, path = random.Random(20261), tmp_path / "mmproj-damaged.gguf"
    refused = 0
    for _ in range(N_PROJECTORS):
        name, content = damaged(whole_projector, chance)
        path.write_bytes(content)
        refused += refuses(path, is_projector=True)
        rig.load(name, small_model, path)
    rig.load("whole", small_model, projector)

    assert rig.outcomes["Generated"] > 1
    assert refused > N_PROJECTORS // 3
    assert len(rig.deaths) <= N_PROJECTORS // 10, rig.deaths
    assert rig.slowest_s < LIMIT_S


def refuses(path: Path, *, is_projector: bool) -> bool:
    """Return whether the window's own look at the file refuses it, with a sentence."""
    try:
        read_projector(path) if is_projector else read_model(path)
    except ModelError as error:
        check_sentence(error)
        return True
    return False
