"""`solo chat`: one question, one answer, no window."""

from __future__ import annotations

import hashlib
import json
import queue
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TextIO

from app.chat.opening import prepare_opening
from app.core.errors import NotEnoughMemory, PictureUnreadable
from app.core.messages import ReasoningEffort, Role, TurnStats
from app.core.settings import Settings
from app.engine.pictures import inspect_picture
from app.engine.protocol import (
    SAMPLING,
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


def answer(
    question: Question,
    write: Callable[[EngineEvent], None],
    make_engine: Callable[[Listener], Engine],
    settings: Settings,
) -> None:
    """Load the model, ask, and hand every piece to `write`. Raises AppError."""
    pictures = tuple(_picture(path) for path in question.images)
    opening = prepare_opening(question.model, question.projector, settings)
    if not opening.plan.fits:
        raise NotEnoughMemory(" ".join(opening.plan.reasons))
    events: queue.SimpleQueue[EngineEvent] = queue.SimpleQueue()
    engine = make_engine(events.put)
    projector = opening.projector.path if opening.projector else None
    try:
        load = LoadRequest(uuid.uuid4().hex, opening.model.path, projector, opening.plan)
        _run(engine, load, events, lambda _event: None)
        sampling = replace(SAMPLING[question.effort], seed=question.seed)
        message = PromptMessage(Role.USER, question.text, pictures)
        request = GenerateRequest(uuid.uuid4().hex, (message,), question.effort, sampling, question.max_tokens)
        _run(engine, request, events, write)
    finally:
        engine.close()


def _run(
    engine: Engine,
    request: Request,
    events: queue.SimpleQueue[EngineEvent],
    write: Callable[[EngineEvent], None],
) -> None:
    engine.ask(request)
    for event in _until_end(engine, events):
        write(event)


def _until_end(engine: Engine, events: queue.SimpleQueue[EngineEvent]) -> Iterator[EngineEvent]:
    """Yield the events of a request; Ctrl-C stops it, and its last events still come."""
    while True:
        try:
            event = events.get()
        except KeyboardInterrupt:
            engine.cancel()
            continue
        if isinstance(event, RequestFailed | Died):
            raise event.error
        yield event
        if isinstance(event, Loaded | Generated):
            return


def _picture(path: Path) -> PictureFile:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PictureUnreadable(f"{path} can’t be read: {error.strerror or error}.") from error
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
    del fields["reasoning_ms"]
    return {key: round(value, 3) if isinstance(value, float) else value for key, value in fields.items()}


def standard_writer(*, as_json: bool) -> Callable[[EngineEvent], None]:
    """Return the writer for the terminal: JSON lines, or the answer with its reasoning on stderr."""
    if as_json:
        return lambda event: write_json(event, sys.stdout)
    return lambda event: write_text(event, sys.stdout, sys.stderr)
