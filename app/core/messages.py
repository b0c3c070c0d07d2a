"""What a conversation is made of: pure values, without identity of storage or of widgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """Who wrote a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


class ReasoningEffort(StrEnum):
    """How hard the model thinks: the two values Mistral's template knows."""

    NONE = "none"
    HIGH = "high"


class MessageState(StrEnum):
    """How far a message has come."""

    GROWING = "growing"
    COMPLETE = "complete"
    STOPPED = "stopped"  # by the person
    FAILED = "failed"  # by an error; `Message.error` says which
    INTERRUPTED = "interrupted"  # the program ended in mid-answer


class StopReason(StrEnum):
    """Why a turn ended."""

    STOP = "stop"
    LENGTH = "length"
    CANCELLED = "cancelled"


class ReasoningEnd(StrEnum):
    """Who ended the reasoning."""

    MODEL = "model"
    BUDGET = "budget"
    PERSON = "person"  # by asking for the answer


@dataclass(frozen=True, slots=True)
class Text:
    """Hold written text."""

    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """Name a stored picture.

    `sha256` is of the original file's bytes and finds them in the attachment store. `width` and `height`
    are in pixels, upright. `tokens` is what it costs in the context as the reference counts it.
    """

    sha256: str
    name: str
    media_type: str
    width: int
    height: int
    tokens: int


Part = Text | Picture


@dataclass(frozen=True, slots=True)
class TurnStats:
    """Hold what one turn measured; times in milliseconds, counts in tokens.

    `left_out_messages` is how many of the oldest messages the model did not see, because `context_tokens`,
    the context's size, did not hold them.
    """

    stop_reason: StopReason
    prompt_tokens: int = 0
    cached_tokens: int = 0
    image_tokens: int = 0
    generated_tokens: int = 0
    reasoning_tokens: int = 0
    prefill_ms: float = 0.0
    first_token_ms: float = 0.0
    reasoning_ms: float = 0.0
    tokens_per_second: float = 0.0
    reasoning_end: ReasoningEnd = ReasoningEnd.MODEL
    left_out_messages: int = 0
    context_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """Hold one message of a conversation.

    `parent_id` is the message it follows (None for the first one); siblings are versions of each other.
    `effort` is what the turn was asked with; `settings_rendered` is the settings block as it stood in the
    prompt, the proof that the switch did something.
    """

    id: str
    conversation_id: str
    parent_id: str | None
    role: Role
    parts: tuple[Part, ...]
    created_at: datetime
    state: MessageState = MessageState.COMPLETE
    reasoning: str = ""
    effort: ReasoningEffort | None = None
    settings_rendered: str = ""
    model_name: str = ""
    stats: TurnStats | None = None
    error: str = ""

    @property
    def text(self) -> str:
        """Return the written parts, joined by blank lines."""
        return "\n\n".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Return the pictures, in order."""
        return tuple(part for part in self.parts if isinstance(part, Picture))


def newest_view(branch: Sequence[Message]) -> TurnStats | None:
    """Return the statistics of the newest answer that say how much of `branch` the model did not see."""
    known = (message.stats for message in reversed(branch) if message.stats is not None)
    return next((stats for stats in known if stats.context_tokens), None)


@dataclass(frozen=True, slots=True)
class ConversationSummary:
    """Hold what a list shows of a conversation; times are UTC."""

    id: str
    title: str
    created_at: datetime
    updated_at: datetime
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Conversation:
    """Hold a conversation with the messages of its current branch, oldest first.

    `versions` gives the ids of all versions, oldest first, for each of these messages that has more than one.
    """

    summary: ConversationSummary
    messages: tuple[Message, ...] = field(default=())
    versions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
