"""What an engine is asked and what it says: the border between the program and the language model.

Requests return at once; everything the engine has to say comes as `EngineEvent` through the listener it
was made with, on a thread of its own. An event carries the id of the request it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from app.core.errors import AppError
from app.core.facts import Plan
from app.core.messages import ReasoningEffort, Role, TurnStats

# --- requests -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """Ask for a model to be loaded, in place of the one loaded before.

    `metadata` holds corrections as (key, value) pairs that override the file's own.
    """

    request_id: str
    model: Path
    projector: Path | None
    plan: Plan
    metadata: tuple[tuple[str, int | float | bool | str], ...] = ()
    threads: int = 0  # 0: as many as there are physical cores


@dataclass(frozen=True, slots=True)
class PictureFile:
    """Name a picture's original file; the engine prepares it (upright, RGB, the reference's grid)."""

    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class PromptMessage:
    """Hold one message as the model gets it: pictures first, then text, then nothing else."""

    role: Role
    text: str
    pictures: tuple[PictureFile, ...] = ()
    reasoning: str = ""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Say how tokens are drawn. Temperature 0 is greedy; top_k 0 and top_p 1 are off."""

    temperature: float
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int | None = None


# What the makers of Mistral Small 4 prescribe for each mode.
SAMPLING = {
    ReasoningEffort.HIGH: Sampling(temperature=0.7, top_p=0.95),
    ReasoningEffort.NONE: Sampling(temperature=0.1),
}


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """Ask for the next answer. `max_tokens` None means until the context is full."""

    request_id: str
    messages: tuple[PromptMessage, ...]
    effort: ReasoningEffort
    sampling: Sampling
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class MeasureRequest:
    """Ask how many tokens a conversation takes, without decoding anything."""

    request_id: str
    messages: tuple[PromptMessage, ...]
    effort: ReasoningEffort


# --- events -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LoadProgressed:
    """Say how much is loaded, 0 to 1."""

    request_id: str
    fraction: float


@dataclass(frozen=True, slots=True)
class Loaded:
    """Say that the model is ready; `details` are (label, value) pairs for people."""

    request_id: str
    name: str
    arch: str
    context_tokens: int
    training_context: int
    sees_pictures: bool
    knows_effort: bool
    load_seconds: float
    details: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Rendered:
    """Say what stands in the prompt: its settings block (may be empty) and its length."""

    request_id: str
    settings: str
    prompt_tokens: int
    cached_tokens: int


@dataclass(frozen=True, slots=True)
class Prefilled:
    """Say how much of the prompt has been read."""

    request_id: str
    done_tokens: int
    total_tokens: int


@dataclass(frozen=True, slots=True)
class ReasoningPiece:
    """Carry reasoning text."""

    request_id: str
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningEnded:
    """Say that the model closed its reasoning."""

    request_id: str
    reasoning_ms: float
    reasoning_tokens: int


@dataclass(frozen=True, slots=True)
class AnswerPiece:
    """Carry answer text."""

    request_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Generated:
    """Say that the answer is complete (or was stopped: see `stats.stop_reason`)."""

    request_id: str
    stats: TurnStats


@dataclass(frozen=True, slots=True)
class Measured:
    """Answer a MeasureRequest."""

    request_id: str
    tokens: int
    image_tokens: int


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """Say that a request failed; `Cancelled` when a load was cancelled. The engine goes on."""

    request_id: str
    error: AppError


@dataclass(frozen=True, slots=True)
class Died:
    """Say that the engine's process ended, and with it the request named; the next load starts it again.

    `request_id` is None when it was idle: a request asked since then is already another process's.
    """

    error: AppError
    request_id: str | None = None


EngineEvent = (
    LoadProgressed
    | Loaded
    | Rendered
    | Prefilled
    | ReasoningPiece
    | ReasoningEnded
    | AnswerPiece
    | Generated
    | Measured
    | RequestFailed
    | Died
)
Listener = Callable[[EngineEvent], None]
Request = LoadRequest | GenerateRequest | MeasureRequest


class Engine(Protocol):
    """Run one model in a process of its own.

    One request at a time: a second one before the first has ended is a bug. After `Died`, or before the
    first load, only a LoadRequest is understood; anything else is answered by `RequestFailed`
    with `ModelNotLoaded`.
    """

    def ask(self, request: Request) -> None:
        """Hand over `request`; start the process if it is not running."""
        ...

    def cancel(self) -> None:
        """Stop the request under way, if any, as soon as llama.cpp allows. Safe from any thread."""
        ...

    def close(self) -> None:
        """End the process and wait for it. No event comes after this returns."""
        ...
