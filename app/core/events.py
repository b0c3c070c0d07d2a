"""Everything the service tells the window: one frozen value per fact, published through one function."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.core.facts import Hardware, Offer, Plan
from app.core.messages import Conversation, ConversationSummary, Message, Picture

# --- one turn -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """Say that the question is on disk and its answer began to grow."""

    turn_id: str
    question: Message
    answer: Message


@dataclass(frozen=True, slots=True)
class PromptRendered:
    """Say which settings really stand in the prompt (empty where the model knows none)."""

    turn_id: str
    settings: str
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class PrefillProgressed:
    """Say how much of the prompt has been read."""

    turn_id: str
    done_tokens: int
    total_tokens: int


@dataclass(frozen=True, slots=True)
class ReasoningText:
    """Carry new reasoning text."""

    turn_id: str
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningFinished:
    """Say that the reasoning ended and how long it took."""

    turn_id: str
    seconds: float
    tokens: int


@dataclass(frozen=True, slots=True)
class AnswerText:
    """Carry new answer text."""

    turn_id: str
    text: str


@dataclass(frozen=True, slots=True)
class TurnFinished:
    """Say that a turn ended, well or stopped; `answer` is as saved."""

    turn_id: str
    answer: Message


@dataclass(frozen=True, slots=True)
class TurnFailed:
    """Say that a turn ended in an error; `answer` holds what had arrived."""

    turn_id: str
    answer: Message
    sentence: str


# --- the model ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelPlanned:
    """Say where the model will go, before it is loaded."""

    path: Path
    projector: Path | None
    name: str
    plan: Plan


@dataclass(frozen=True, slots=True)
class ModelLoadProgressed:
    """Say how much of the model is loaded, 0 to 1."""

    fraction: float


@dataclass(frozen=True, slots=True)
class ModelLoaded:
    """Say that the model answers now; `details` are (label, value) pairs for the details page."""

    path: Path
    projector: Path | None
    name: str
    context_tokens: int
    sees_pictures: bool
    knows_effort: bool
    load_seconds: float
    details: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ModelLoadFailed:
    """Say that the model could not be opened; `can_retry_anyway` when only the plan spoke against it."""

    path: Path
    sentence: str
    can_retry_anyway: bool = False


@dataclass(frozen=True, slots=True)
class ModelLoadStopped:
    """Say that loading was cancelled."""

    path: Path


@dataclass(frozen=True, slots=True)
class EngineStopped:
    """Say that the engine's process died; the next message or `restart_engine` starts it again."""

    sentence: str


# --- conversations ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ConversationsListed:
    """Carry the conversations for the sidebar, newest first; `query` is the search they answer."""

    summaries: tuple[ConversationSummary, ...]
    query: str = ""


@dataclass(frozen=True, slots=True)
class ConversationOpened:
    """Carry a conversation to show; an imported one is shown whatever was shown before."""

    conversation: Conversation
    is_imported: bool = False


@dataclass(frozen=True, slots=True)
class VersionsChanged:
    """Carry the versions of the shown messages after a turn added to them; see `Conversation.versions`."""

    conversation_id: str
    versions: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class ConversationDeleted:
    """Say that a conversation is gone from the list; it can be restored until the program ends."""

    conversation_id: str
    title: str


@dataclass(frozen=True, slots=True)
class ConversationExported:
    """Say where an export was written."""

    path: Path


@dataclass(frozen=True, slots=True)
class ContextMeasured:
    """Say how full the context would be with the conversation as it stands."""

    conversation_id: str
    used_tokens: int
    context_tokens: int


# --- pictures -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PictureAttached:
    """Say that a picture is stored and ready to send; `thumbnail` is a PNG of at most 256 pixels."""

    request_id: str
    picture: Picture
    thumbnail: bytes


@dataclass(frozen=True, slots=True)
class PictureRefused:
    """Say why a picture can't be used."""

    request_id: str
    name: str
    sentence: str


# --- first run and downloads --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OffersListed:
    """Carry what could be downloaded, with how it fits here."""

    hardware: Hardware
    offers: tuple[Offer, ...]
    target: Path
    free_bytes: int


@dataclass(frozen=True, slots=True)
class DownloadProgressed:
    """Say how far a download is; speed in bytes per second, `seconds_left` None while unknown.

    `note` is a sentence about something unusual, or empty.
    """

    offer_id: str
    file: str
    done_bytes: int
    total_bytes: int
    bytes_per_second: float
    seconds_left: float | None
    verifying: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class DownloadFinished:
    """Say that every file is there and verified."""

    offer_id: str
    model: Path
    projector: Path | None


@dataclass(frozen=True, slots=True)
class DownloadStopped:
    """Say that a download was paused by the person; what arrived is kept."""

    offer_id: str


@dataclass(frozen=True, slots=True)
class DownloadFailed:
    """Say why a download stopped."""

    offer_id: str
    sentence: str


# --- everything else ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Refused:
    """Say in a sentence why something that was asked could not be done."""

    sentence: str


@dataclass(frozen=True, slots=True)
class SendRefused:
    """Say in a sentence why a message could not even be saved; it is still the person's draft."""

    sentence: str


@dataclass(frozen=True, slots=True)
class BugFound:
    """Carry a traceback nobody expected, to be shown once with a way to copy it."""

    summary: str
    details: str

    @classmethod
    def from_exception(cls, error: BaseException) -> BugFound:
        """Describe an exception that nobody expected."""
        return cls(f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error)))


TurnEvent = (
    TurnStarted
    | PromptRendered
    | PrefillProgressed
    | ReasoningText
    | ReasoningFinished
    | AnswerText
    | TurnFinished
    | TurnFailed
)
ModelEvent = ModelPlanned | ModelLoadProgressed | ModelLoaded | ModelLoadFailed | ModelLoadStopped | EngineStopped
ConversationEvent = (
    ConversationsListed
    | ConversationOpened
    | VersionsChanged
    | ConversationDeleted
    | ConversationExported
    | ContextMeasured
)
PictureEvent = PictureAttached | PictureRefused
DownloadEvent = OffersListed | DownloadProgressed | DownloadFinished | DownloadStopped | DownloadFailed
Event = TurnEvent | ModelEvent | ConversationEvent | PictureEvent | DownloadEvent | Refused | SendRefused | BugFound

Publish = Callable[[Event], None]
