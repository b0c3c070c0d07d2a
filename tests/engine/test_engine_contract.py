"""What every engine must do, shown on the scripted one and on the real one."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import (
    Cancelled,
    ContextFull,
    EngineCrashed,
    ModelFileDamaged,
    ModelFileMissing,
    ModelNotLoaded,
)
from app.core.messages import ReasoningEffort, Role, StopReason
from app.engine.protocol import (
    AnswerPiece,
    Died,
    Generated,
    Loaded,
    LoadProgressed,
    Prefilled,
    PromptMessage,
    ReasoningEnded,
    ReasoningPiece,
    Rendered,
    RequestFailed,
    Sampling,
)
from tests.engine.recorder import Recorder, cpu_plan, fake_command, user

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the scripted crashes are POSIX signals")

LONG = "word " * 3000
ENDLESS = Sampling(temperature=1.0, seed=1)


class Kind:
    """One kind of engine: its command, a model it opens, and its scenario for a long answer."""

    def __init__(self, model: Path, commands: dict[str, list[str] | None]) -> None:
        self.model = model
        self.commands = commands


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.model)])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    if request.param == "real":
        model: Path = request.getfixturevalue("small_model")
        return Kind(model, dict.fromkeys(["answers", "endless", "slow_load", "slow_prefill"]))
    fake_model = tmp_path / "model.gguf"
    fake_model.write_bytes(b"GGUF")
    scenarios = {
        "answers": "answers",
        "endless": "talks_forever",
        "slow_load": "slow_load",
        "slow_prefill": "slow_prefill",
    }
    return Kind(fake_model, {name: fake_command(scenario) for name, scenario in scenarios.items()})


Start = Callable[..., Recorder]


@pytest.fixture
def start(kind: Kind) -> Iterator[Start]:
    recorders: list[Recorder] = []

    def start_engine(scenario: str = "answers", *, load: bool = True, **options: Any) -> Recorder:
        recorders.append(Recorder(kind.commands[scenario]))
        if load:
            recorders[-1].loaded(kind.model, **options)
        return recorders[-1]

    yield start_engine
    for recorder in recorders:
        recorder.engine.close()


def answering(recorder: Recorder) -> str:
    """Start an answer that goes on for ever, and wait for its first words."""
    turn = recorder.generate(user("Tell me everything."), sampling=ENDLESS)
    recorder.wait_for(AnswerPiece, lambda event: event.request_id == turn)
    return turn


def test_a_load_tells_its_progress_and_then_what_was_loaded(start: Start, kind: Kind) -> None:
    recorder = start(load=False)

    loaded = recorder.loaded(kind.model, plan=cpu_plan(2048))

    *progress, last = recorder.of(loaded.request_id)
    assert last is loaded
    assert progress
    assert all(isinstance(event, LoadProgressed) for event in progress)
    fractions = [event.fraction for event in progress]
    assert all(0 <= before <= after <= 1 for before, after in pairwise([*fractions, 1.0]))
    assert loaded.arch == "mistral4"
    assert loaded.context_tokens == 2048
    assert loaded.knows_effort
    assert not loaded.sees_pictures
    assert all(label and value for label, value in loaded.details)


def test_the_events_of_a_turn_come_in_order(start: Start) -> None:
    recorder = start()

    ended = recorder.generated(user("Hello there"), max_tokens=5)

    events = recorder.of(ended.request_id)
    order = [Rendered, Prefilled, ReasoningPiece, ReasoningEnded, AnswerPiece, Generated]
    ranks = [order.index(type(event)) for event in events]
    assert ranks == sorted(ranks)
    assert ranks.count(0) == ranks.count(5) == 1
    rendered = events[0]
    prefilled = [event for event in events if isinstance(event, Prefilled)]
    assert rendered.settings
    assert prefilled[-1].done_tokens == prefilled[-1].total_tokens == rendered.prompt_tokens
    assert ended.stats.prompt_tokens == rendered.prompt_tokens
    assert 0 < ended.stats.generated_tokens <= 5


@pytest.mark.parametrize("effort", list(ReasoningEffort))
def test_the_settings_that_are_told_are_those_that_were_asked_for(start: Start, effort: ReasoningEffort) -> None:
    recorder = start()

    ended = recorder.generated(user("x"), effort=effort, max_tokens=1)

    assert f'{{"reasoning_effort": "{effort}"}}' in recorder.of(ended.request_id)[0].settings


def test_the_number_of_tokens_is_kept(start: Start) -> None:
    recorder = start("endless")

    ended = recorder.generated(user("x"), max_tokens=3, sampling=ENDLESS)

    assert ended.stats.stop_reason is StopReason.LENGTH
    assert ended.stats.generated_tokens == 3


def test_a_second_turn_reads_only_what_is_new(start: Start) -> None:
    recorder = start()
    first = recorder.generated(user("one two three"), max_tokens=3)
    answer = PromptMessage(Role.ASSISTANT, recorder.answer(first.request_id))

    second = recorder.generated(user("one two three"), answer, user("four"), max_tokens=3)

    assert first.stats.prompt_tokens <= second.stats.cached_tokens < second.stats.prompt_tokens


def test_measuring_counts_what_a_turn_then_takes(start: Start) -> None:
    recorder = start()

    measured = recorder.measured(user("How long is this?"))
    ended = recorder.generated(user("How long is this?"), max_tokens=1)

    assert measured.tokens == ended.stats.prompt_tokens
    assert measured.image_tokens == 0


def test_a_conversation_that_does_not_fit_is_refused_with_numbers(start: Start, kind: Kind) -> None:
    recorder = start(plan=cpu_plan(512))

    failed = recorder.end_of(recorder.generate(user(LONG)))

    assert isinstance(failed, RequestFailed)
    assert isinstance(failed.error, ContextFull)
    assert recorder.generated(user("x"), max_tokens=1).stats.prompt_tokens < 512


def test_a_question_before_a_load_and_after_a_failed_one_is_refused(start: Start, kind: Kind, tmp_path: Path) -> None:
    recorder = start(load=False)
    for prepare in (lambda: None, lambda: recorder.end_of(recorder.load(tmp_path / "none.gguf"))):
        prepare()
        failed = recorder.end_of(recorder.generate(user("x")))
        assert isinstance(failed, RequestFailed)
        assert isinstance(failed.error, ModelNotLoaded)


def test_files_that_can_not_be_used_are_named_and_the_engine_goes_on(start: Start, kind: Kind, tmp_path: Path) -> None:
    recorder = start(load=False)
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(b"damaged, not GGUF")

    for path, error in ((tmp_path / "none.gguf", ModelFileMissing), (damaged, ModelFileDamaged)):
        failed = recorder.end_of(recorder.load(path))
        assert isinstance(failed, RequestFailed)
        assert type(failed.error) is error
        assert path.name in str(failed.error)

    assert isinstance(recorder.loaded(kind.model), Loaded)


def test_a_load_can_be_cancelled_and_begun_again(start: Start, kind: Kind) -> None:
    recorder = start("slow_load", load=False)

    load = recorder.load(kind.model)
    recorder.engine.cancel()
    failed = recorder.end_of(load)

    assert isinstance(failed, RequestFailed)
    assert isinstance(failed.error, Cancelled)
    if kind.commands["slow_load"] is None:
        assert isinstance(recorder.loaded(kind.model), Loaded)


def test_reading_a_long_prompt_can_be_cancelled(start: Start) -> None:
    recorder = start("slow_prefill")

    turn = recorder.generate(user(LONG))
    recorder.wait_for(Prefilled)
    recorder.engine.cancel()
    ended = recorder.end_of(turn)

    assert isinstance(ended, Generated)
    assert ended.stats.stop_reason is StopReason.CANCELLED
    assert ended.stats.generated_tokens == 0


def test_an_answer_can_be_cancelled_and_the_next_one_is_whole(start: Start) -> None:
    recorder = start("endless")
    turn = answering(recorder)

    recorder.engine.cancel()
    ended = recorder.end_of(turn)

    assert isinstance(ended, Generated)
    assert ended.stats.stop_reason is StopReason.CANCELLED
    assert ended.stats.generated_tokens >= 1
    after = recorder.generated(user("Tell me everything."), max_tokens=2, sampling=ENDLESS)
    assert after.stats.stop_reason is StopReason.LENGTH


def test_cancel_is_safe_from_any_thread_and_at_any_time(start: Start) -> None:
    recorder = start()
    done = threading.Event()

    def cancel_all_the_time() -> None:
        while not done.wait(0.001):
            recorder.engine.cancel()

    threads = [threading.Thread(target=cancel_all_the_time) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        ends = [recorder.end_of(recorder.generate(user("x"), max_tokens=2)) for _ in range(10)]
    finally:
        done.set()
        for thread in threads:
            thread.join()

    assert all(isinstance(event, Generated) for event in ends)
    assert recorder.generated(user("x"), max_tokens=2).stats.stop_reason is not StopReason.CANCELLED


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGABRT"])
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_every_death_is_told_once_and_the_next_load_starts_again(
    start: Start, kind: Kind, name: str, busy: bool
) -> None:
    recorder = start("endless")
    turn = answering(recorder) if busy else None
    pid = recorder.engine.pid
    assert pid is not None

    os.kill(pid, signal.Signals[name])
    died = recorder.wait_for(Died)

    assert isinstance(died.error, EngineCrashed)
    assert turn is None or not any(isinstance(event, Generated) for event in recorder.of(turn))
    recorder.loaded(kind.model)
    assert sum(isinstance(event, Died) for event in recorder.events) == 1
    assert recorder.generated(user("x"), max_tokens=1).stats.generated_tokens == 1


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_close_is_quick_and_quiet(start: Start, busy: bool) -> None:
    recorder = start("endless")
    if busy:
        answering(recorder)

    started = time.monotonic()
    recorder.engine.close()
    elapsed_s = time.monotonic() - started
    count = len(recorder.events)

    assert elapsed_s < 5
    assert recorder.engine.pid is None
    assert len(recorder.events) == count
    assert not any(isinstance(event, Died) for event in recorder.events)
