"""One turn, from the question on disk to the end of its answer."""

from __future__ import annotations

import time
from dataclasses import replace

from app.chat.pace import Pace
from app.core.errors import AppError
from app.core.events import (
    AnswerText,
    PrefillProgressed,
    PromptRendered,
    Publish,
    ReasoningFinished,
    ReasoningText,
    TurnFailed,
    TurnFinished,
    TurnStarted,
)
from app.core.messages import Message, MessageState, StopReason, Text, TurnStats
from app.engine.protocol import (
    AnswerPiece,
    Died,
    EngineEvent,
    Generated,
    Prefilled,
    ReasoningEnded,
    ReasoningPiece,
    Rendered,
    RequestFailed,
)
from app.storage.conversations import ConversationStore


class Turn:
    """Collect what the engine says about one answer, save it as it grows and publish it.

    The turn's id is the answer's id.
    """

    def __init__(self, question: Message, answer: Message, store: ConversationStore, publish: Publish) -> None:
        self.question = question
        self._answer = answer
        self._store = store
        self._publish = publish
        self._text = ""
        self._reasoning = ""
        self._unsaved_text = ""
        self._unsaved_reasoning = ""
        self._unsaved_settings = ""
        self._is_saving = True
        self._pace = Pace()
        self._left_out = self._context_tokens = 0
        publish(TurnStarted(answer.id, question, answer))

    @property
    def id(self) -> str:
        """Return the id that this turn's events and engine request carry."""
        return self._answer.id

    @property
    def conversation_id(self) -> str:
        """Return the conversation this turn belongs to."""
        return self._answer.conversation_id

    def note_view(self, left_out_messages: int, context_tokens: int) -> None:
        """Take note of how many of the oldest messages the model does not see, with a context of so many tokens."""
        self._left_out, self._context_tokens = left_out_messages, context_tokens

    def receive(self, event: EngineEvent) -> None:
        """Take an event of the engine."""
        match event:
            case Generated():
                self._finish(event.stats)
            case RequestFailed() | Died():
                self.fail(event.error)
            case _:
                self._progress(event)

    def fail(self, error: AppError) -> None:
        """End the turn by an error; what has arrived is kept."""
        self._end(MessageState.FAILED, error=str(error))

    def withdraw(self) -> None:
        """End a turn that the engine has not begun."""
        self._finish(TurnStats(StopReason.CANCELLED))

    def save_growth(self) -> None:
        """Write what has arrived since the last time. Raises StorageError, DiskFull, but only once."""
        if not self._is_saving or not (self._unsaved_text or self._unsaved_reasoning or self._unsaved_settings):
            return
        self._is_saving = False  # until it went well: the end of the turn saves everything anyway
        if self._unsaved_settings:
            self._store.note_settings(self.id, self._unsaved_settings)
        if self._unsaved_text or self._unsaved_reasoning:
            self._store.grow(self.id, self._unsaved_text, self._unsaved_reasoning)
        self._unsaved_text = self._unsaved_reasoning = self._unsaved_settings = ""
        self._is_saving = True

    def _progress(self, event: EngineEvent) -> None:
        match event:
            case Rendered():
                self._answer = replace(self._answer, settings_rendered=event.settings)
                self._unsaved_settings = event.settings
                self._publish(PromptRendered(self.id, event.settings, event.prompt_tokens))
            case Prefilled():
                left_s = self._pace.seconds_left(event.done_tokens, event.total_tokens, time.monotonic())
                self._publish(PrefillProgressed(self.id, event.done_tokens, event.total_tokens, left_s))
            case ReasoningPiece():
                self._reasoning += event.text
                self._unsaved_reasoning += event.text
                self._publish(ReasoningText(self.id, event.text))
            case ReasoningEnded():
                seconds = event.reasoning_ms / 1000
                self._publish(ReasoningFinished(self.id, seconds, event.reasoning_tokens, event.end))
            case AnswerPiece():
                self._text += event.text
                self._unsaved_text += event.text
                self._publish(AnswerText(self.id, event.text))
            case _:
                raise TypeError(f"{type(event).__name__} does not belong to a turn")

    def _finish(self, stats: TurnStats) -> None:
        stats = replace(stats, left_out_messages=self._left_out, context_tokens=self._context_tokens)
        stopped = stats.stop_reason is StopReason.CANCELLED
        self._end(MessageState.STOPPED if stopped else MessageState.COMPLETE, stats=stats)

    def _end(self, state: MessageState, stats: TurnStats | None = None, error: str = "") -> None:
        answer = replace(
            self._answer,
            parts=(Text(self._text),) if self._text else (),
            reasoning=self._reasoning,
            state=state,
            stats=stats,
            error=error,
        )
        try:
            self._store.finish(answer)
        except AppError as unsaved:
            error = f"{error} {unsaved}".strip()
            answer = replace(answer, state=MessageState.FAILED, error=error)
        failed = answer.state is MessageState.FAILED
        self._publish(TurnFailed(self.id, answer, error) if failed else TurnFinished(self.id, answer))
