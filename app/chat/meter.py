"""How full the context would be, before anything is sent."""

from __future__ import annotations

from app.chat.desk import EngineDesk
from app.chat.drafts import Draft, new_message
from app.chat.fitter import Build, Fitted, Fitting, Outcome, explain_length
from app.chat.fitting import TooLong
from app.chat.model_slot import ModelSlot
from app.core.events import ContextMeasured, Publish
from app.core.messages import ReasoningEffort, Role
from app.storage.conversations import ConversationStore

_OLDEST_LEAVE = "This does not fit beside the whole chat: when you send it, the model no longer sees the oldest turns."


class Meter:
    """Measure chats with their drafts; on the worker thread only."""

    def __init__(
        self, store: ConversationStore, desk: EngineDesk, slot: ModelSlot, publish: Publish, build: Build
    ) -> None:
        self._store = store
        self._desk = desk
        self._slot = slot
        self._publish = publish
        self._build = build

    def measure(self, conversation_id: str | None, draft: Draft, effort: ReasoningEffort) -> None:
        """Publish how many tokens the conversation would take with `draft`; not while the engine is busy."""
        if not (self._slot.is_ready and self._desk.is_idle):
            return
        branch = self._store.load(conversation_id).messages if conversation_id else ()
        if draft.parts:
            branch = (*branch, new_message(conversation_id or "", None, Role.USER, draft.parts, effort))
        fitting = Fitting(
            self._desk,
            self._slot,
            self._build,
            branch,
            effort,
            lambda outcome: self._tell(conversation_id or "", outcome, effort, is_draft=bool(draft.parts)),
        )
        fitting.begin()

    def _tell(self, conversation_id: str, outcome: Outcome, effort: ReasoningEffort, *, is_draft: bool) -> None:
        room = self._slot.context_tokens
        match outcome:
            case Fitted():
                note = _OLDEST_LEAVE if is_draft and outcome.leaves_more else ""
                self._publish(ContextMeasured(conversation_id, outcome.tokens_before, room, note))
            case TooLong():
                note = str(explain_length(outcome.tokens, room, effort)) if is_draft else ""
                self._publish(ContextMeasured(conversation_id, outcome.tokens, room, note))
            case _:
                return  # a meter without a reading; the next turn meets the same problem and says it
