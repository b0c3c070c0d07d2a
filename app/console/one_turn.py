"""`solo chat`: one question, one answer, no window."""

from __future__ import annotations

import hashlib
import json
import queue
import signal
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import TextIO

from app.chat.machine import Machine
from app.chat.opening import prepare_opening
from app.chat.pictures import read_picture
from app.core.errors import NotEnoughMemory
from app.core.messages import ReasoningEffort, Role, TurnStats
from app.core.sampling import with_choices
from app.core.settings import Settings
from app.engine.pictures import inspect_picture
from app.engine.protocol import (
    AnswerPiece,
    Died,
    Engine,
    EngineEvent,
    Generated,
    GenerateRequest,
    Listener,
    Loaded,
    LoadRequest,
    PictureFile,
    PromptMessage,
    ReasoningPiece,
    Request,
    RequestFailed,
)

_GLANCE_S = 0.25  # Windows notices Ctrl-C only between two waits


class _Interrupt:
    """Stand for Ctrl-C among the engine's events."""


_Happening = EngineEvent | _Interrupt


@dataclass(frozen=True, slots=True)
class Question:
    """Hold what `solo chat` was asked on the command line."""

    model: Path
    projector: Path | None
    images: tuple[Path, ...]
    text: str
    effort: ReasoningEffort
    max_tokens: int | None
    seed: int | None
    sampling: Mapping[str, float] = field(default_factory=dict)  # by the names of `Sampling`
    think_budget: int | None = None  # None: as in the settings


def answer(
    question: Question,
    write: Callable[[EngineEvent], None],
    make_engine: Callable[[Listener], Engine],
    settings: Settings,
) -> None:
    """Load the model, ask, and hand every piece to `write`; Ctrl-C stops the answer. Raises AppError."""
    pictures = tuple(_picture(path) for path in question.images)
    opening = prepare_opening(question.model, question.projector, settings, Machine().look_for(question.model))
    if not opening.plan.fits:
        raise NotEnoughMemory(" ".join(opening.plan.reasons))
    happenings: queue.SimpleQueue[_Happening] = queue.SimpleQueue()
    engine = make_engine(happenings.put)
    projector = opening.projector.path if opening.projector else None
    try:
        with _interrupts_to(happenings):
            load = LoadRequest(uuid.uuid4().hex, opening.model.path, projector, opening.plan, opening.metadata)
            _run(engine, load, happenings, lambda _event: None)
            choices = {**settings.sampling_choices(question.effort), **question.sampling}
            sampling = with_choices(opening.sampling(question.effort), choices)
            if question.seed is not None:
                sampling = replace(sampling, seed=question.seed)
            budget = settings.think_budget if question.think_budget is None else question.think_budget
            message = PromptMessage(Role.USER, question.text, pictures)
            request = GenerateRequest(
                uuid.uuid4().hex,
                (message,),
                question.effort,
                sampling,
                question.max_tokens,
                think_budget=budget,
            )
            _run(engine, request, happenings, write)
    finally:
        engine.close()


def _run(
    engine: Engine,
    request: Request,
    happenings: queue.SimpleQueue[_Happening],
    write: Callable[[EngineEvent], None],
) -> None:
    """Ask and write what comes, until the last event. Raises AppError."""
    engine.ask(request)
    while True:
        event = _next(happenings)
        if isinstance(event, _Interrupt):
            engine.cancel()
            continue
        if isinstance(event, RequestFailed | Died):
            raise event.error
        write(event)
        if isinstance(event, Loaded | Generated):
            return


def _next(happenings: queue.SimpleQueue[_Happening]) -> _Happening:
    while True:
        with suppress(queue.Empty):
            return happenings.get(timeout=_GLANCE_S)


@contextmanager
def _interrupts_to(happenings: queue.SimpleQueue[_Happening]) -> Iterator[None]:
    """Turn the first Ctrl-C into an entry of the queue; the next one ends the program as usual."""

    def note(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        happenings.put(_Interrupt())  # the one thing that a signal handler may safely do with a queue

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _picture(path: Path) -> PictureFile:
    content = read_picture(path)
    inspect_picture(content)
    return PictureFile(path, hashlib.sha256(content).hexdigest())


def write_json(event: EngineEvent, out: TextIO) -> None:
    """Write an event as one line of JSON."""
    match event:
        case ReasoningPiece(text=text):
            line: dict[str, object] = {"event": "reasoning", "text": text}
        case AnswerPiece(text=text):
            line = {"event": "answer", "text": text}
        case Generated(stats=stats):
            line = {"event": "finished", **_stats(stats)}
        case _:
            return
    print(json.dumps(line, ensure_ascii=False), file=out, flush=True)


def write_text(event: EngineEvent, out: TextIO, reasoning_out: TextIO) -> None:
    """Write the answer to `out` and the reasoning to `reasoning_out`, as they come."""
    match event:
        case ReasoningPiece(text=text):
            print(text, end="", file=reasoning_out, flush=True)
        case AnswerPiece(text=text):
            print(text, end="", file=out, flush=True)
        case Generated():
            print(file=out, flush=True)
        case _:
            pass


def _stats(stats: TurnStats) -> dict[str, object]:
    fields = asdict(stats)
    for name in ("reasoning_ms", "reasoning_end", "left_out_messages", "context_tokens"):
        del fields[name]
    return {key: round(value, 3) if isinstance(value, float) else value for key, value in fields.items()}


def standard_writer(*, as_json: bool) -> Callable[[EngineEvent], None]:
    """Return the writer for the terminal: JSON lines, or the answer with its reasoning on stderr."""
    if isinstance(sys.stdout, TextIOWrapper):
        # A terminal that lacks a letter must not cost the answer; JSON is UTF-8 everywhere.
        sys.stdout.reconfigure(encoding="utf-8" if as_json else None, errors="replace")
    if as_json:
        return lambda event: write_json(event, sys.stdout)
    return lambda event: write_text(event, sys.stdout, sys.stderr)
