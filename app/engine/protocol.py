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
from app.core.facts import BufferUse, Plan
from app.core.messages import ReasoningEffort, ReasoningEnd, Role, TurnStats
from app.core.sampling import SAMPLING as SAMPLING
from app.core.sampling import Sampling as Sampling

# --- requests -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StateKeeping:
    """Say where and how much may be kept of what a model has read of recent chats; `folder` None: not on disk."""

    folder: Path | None = None
    disk_bytes: int = 0
    ram_bytes: int = 1 << 30


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
    states: StateKeeping = StateKeeping()


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
class GenerateRequest:
    """Ask for the next answer. `max_tokens` None means until the context is full.

    What the model has read of the conversation `chat_id` is kept for its next turn; of none, nothing is.
    After `think_budget` tokens of reasoning the answer has to follow; 0 sets no limit.
    """

    request_id: str
    messages: tuple[PromptMessage, ...]
    effort: ReasoningEffort
    sampling: Sampling
    max_tokens: int | None = None
    chat_id: str = ""
    think_budget: int = 0


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
    """Say that the model is ready; `details` are (label, value) pairs for people.

    `longest_side_pixels` is the longest side of a picture that the projector takes; 0 without one.
    """

    request_id: str
    name: str
    arch: str
    context_tokens: int
    training_context: int
    sees_pictures: bool
    knows_effort: bool
    load_seconds: float
    details: tuple[tuple[str, str], ...]
    longest_side_pixels: int = 0
    buffers: tuple[BufferUse, ...] = ()  # llama.cpp's own account; empty where it has none


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
    """Say that the reasoning is closed, and who closed it."""

    request_id: str
    reasoning_ms: float
    reasoning_tokens: int
    end: ReasoningEnd = ReasoningEnd.MODEL


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

    def answer_now(self) -> None:
        """Let the reasoning under way end, or not begin, so that the answer follows. Safe from any thread."""
        ...

    def forget(self, chat_id: str | None) -> None:
        """Keep nothing more of a chat; of None, of any chat on disk until the next load. Safe from any thread."""
        ...

    def close(self) -> None:
        """End the process and wait for it. No event comes after this returns."""
        ...
