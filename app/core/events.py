"""Everything the service tells the window: one frozen value per fact, published through one function."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.core.facts import BufferUse, Hardware, ModelFacts, Offer, Plan, ProjectorFacts
from app.core.library import LibraryEvent
from app.core.messages import Conversation, ConversationSummary, Message, Picture, ReasoningEnd

# --- one turn -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """Say that the question is on disk and its answer began to grow."""

    turn_id: str
    question: Message
    answer: Message


@dataclass(frozen=True, slots=True)
class TurnsLeftOut:
    """Say that this turn's model sees nothing before the message `first_seen_id`: `messages` are left out.

    `is_news` says whether it still saw more in the turn before.
    """

    turn_id: str
    first_seen_id: str
    messages: int
    is_news: bool


@dataclass(frozen=True, slots=True)
class PromptRendered:
    """Say which settings really stand in the prompt (empty where the model knows none)."""

    turn_id: str
    settings: str
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class PrefillProgressed:
    """Say how much of the prompt has been read; `seconds_left` is None while unknown or short."""

    turn_id: str
    done_tokens: int
    total_tokens: int
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class ReasoningText:
    """Carry new reasoning text."""

    turn_id: str
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningFinished:
    """Say that the reasoning ended, how long it took, and who ended it."""

    turn_id: str
    seconds: float
    tokens: int
    end: ReasoningEnd = ReasoningEnd.MODEL


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
    """Say where the model will go, before it is loaded; the facts it was planned from allow other plans to be tried."""

    path: Path
    projector: Path | None
    name: str
    plan: Plan
    facts: ModelFacts | None = None
    projector_facts: ProjectorFacts | None = None
    hardware: Hardware | None = None


@dataclass(frozen=True, slots=True)
class ModelLoadProgressed:
    """Say how much of the model is loaded, 0 to 1."""

    fraction: float


@dataclass(frozen=True, slots=True)
class PlanReduced:
    """Say in a sentence what the model gives up because memory ran out; it is loaded (again) that way."""

    sentence: str


@dataclass(frozen=True, slots=True)
class ModelLoaded:
    """Say that the model answers now; `details` are (label, value) pairs for the details page.

    `longest_side_pixels` is what the projector takes, 0 where that is not known. `is_stand_in` marks the
    built-in model in place of one that could not be opened at the start.
    """

    path: Path
    projector: Path | None
    name: str
    context_tokens: int
    sees_pictures: bool
    knows_effort: bool
    load_seconds: float
    details: tuple[tuple[str, str], ...]
    longest_side_pixels: int = 0
    is_stand_in: bool = False
    measured: tuple[BufferUse, ...] = ()  # what the devices really hold


@dataclass(frozen=True, slots=True)
class ModelLoadFailed:
    """Say that the model could not be opened; `can_retry_anyway` when only the plan spoke against it.

    With `has_stand_in` the built-in model is loaded in its place.
    """

    path: Path
    sentence: str
    can_retry_anyway: bool = False
    has_stand_in: bool = False


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
    """Say how full the context would be with the conversation as it stands.

    `note` says in a sentence what sending the draft would lead to, where it does not simply fit.
    """

    conversation_id: str
    used_tokens: int
    context_tokens: int
    note: str = ""


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

    `note` is a sentence about something unusual, `waiting` one about what is waited for; or they are empty.
    """

    offer_id: str
    file: str
    done_bytes: int
    total_bytes: int
    bytes_per_second: float
    seconds_left: float | None
    verifying: bool = False
    note: str = ""
    waiting: str = ""


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
class DownloadDiscarded:
    """Say that what had arrived of an unfinished download was deleted."""

    offer_id: str
    freed_bytes: int


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
    | TurnsLeftOut
    | PromptRendered
    | PrefillProgressed
    | ReasoningText
    | ReasoningFinished
    | AnswerText
    | TurnFinished
    | TurnFailed
)
ModelEvent = (
    ModelPlanned | PlanReduced | ModelLoadProgressed | ModelLoaded | ModelLoadFailed | ModelLoadStopped | EngineStopped
)
ConversationEvent = (
    ConversationsListed
    | ConversationOpened
    | VersionsChanged
    | ConversationDeleted
    | ConversationExported
    | ContextMeasured
)
PictureEvent = PictureAttached | PictureRefused
DownloadEvent = (
    OffersListed | DownloadProgressed | DownloadFinished | DownloadStopped | DownloadDiscarded | DownloadFailed
)
Event = (
    TurnEvent
    | ModelEvent
    | ConversationEvent
    | PictureEvent
    | DownloadEvent
    | LibraryEvent
    | Refused
    | SendRefused
    | BugFound
)

Publish = Callable[[Event], None]
