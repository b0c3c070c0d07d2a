"""What the window knows of the moment: which chat is shown, which turn runs, which model is in use."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from app.core.messages import ConversationSummary
from app.core.settings import Settings


@dataclass(frozen=True, slots=True)
class RunningTurn:
    """Name the turn under way, and the first message the model sees in it where it does not see all."""

    turn_id: str
    conversation_id: str
    first_seen_id: str = ""


@dataclass(frozen=True, slots=True)
class ModelInUse:
    """Name the model that was opened."""

    path: Path
    projector: Path | None
    name: str


@dataclass(slots=True)
class Session:
    """Hold the moment; changed only on the window's thread.

    `shown_id` is None for a new chat. `is_open` says that the messages of the shown chat have arrived:
    before that nothing is painted into it, because what is on its way holds it already.
    """

    settings: Settings
    shown_id: str | None = None
    is_open: bool = True
    awaits_id: bool = False  # the first message of the new chat that is shown is on its way
    running: RunningTurn | None = None
    said_in_chat: str = ""  # the sentence that ended the last turn, where the person can see it
    model: ModelInUse | None = None
    is_model_ready: bool = False
    summaries: dict[str, ConversationSummary] = field(default_factory=dict)

    def title_of(self, conversation_id: str | None) -> str:
        """Return a chat's title."""
        summary = self.summaries.get(conversation_id or "")
        return summary.title if summary else "New chat"

    def paints(self, turn_id: str) -> bool:
        """Say whether the text of turn `turn_id` belongs into what is shown."""
        running = self.running
        return (
            running is not None
            and running.turn_id == turn_id
            and self.is_open
            and running.conversation_id == self.shown_id
        )
