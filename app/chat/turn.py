"""One turn, from the question on disk to the end of its answer."""

from __future__ import annotations

from dataclasses import replace

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
        publish(TurnStarted(answer.id, question, answer))

    @property
    def id(self) -> str:
        """Return the id that this turn's events and engine request carry."""
        return self._answer.id

    @property
    def conversation_id(self) -> str:
        """Return the conversation this turn belongs to."""
        return self._answer.conversation_id

    def receive(self, event: EngineEvent) -> bool:
        """Take an event of the engine and say whether the turn is over."""
        match event:
            case Generated():
                self._finish(event.stats)
                return True
            case RequestFailed() | Died():
                self.fail(event.error)
                return True
            case _:
                self._progress(event)
                return False

    def fail(self, error: AppError) -> None:
        """End the turn by an error; what has arrived is kept."""
        answer = self._end(MessageState.FAILED, error=str(error))
        self._publish(TurnFailed(self.id, answer, str(error)))

    def withdraw(self) -> None:
        """End a turn that the engine has not begun."""
        self._finish(TurnStats(StopReason.CANCELLED))

    def save_growth(self) -> None:
        """Write what has arrived since the last time."""
        if self._unsaved_text or self._unsaved_reasoning:
            self._store.grow(self.id, self._unsaved_text, self._unsaved_reasoning)
            self._unsaved_text = self._unsaved_reasoning = ""

    def _progress(self, event: EngineEvent) -> None:
        match event:
            case Rendered():
                self._answer = replace(self._answer, settings_rendered=event.settings)
                self._publish(PromptRendered(self.id, event.settings, event.prompt_tokens))
            case Prefilled():
                self._publish(PrefillProgressed(self.id, event.done_tokens, event.total_tokens))
            case ReasoningPiece():
                self._reasoning += event.text
                self._unsaved_reasoning += event.text
                self._publish(ReasoningText(self.id, event.text))
            case ReasoningEnded():
                self._publish(ReasoningFinished(self.id, event.reasoning_ms / 1000, event.reasoning_tokens))
            case AnswerPiece():
                self._text += event.text
                self._unsaved_text += event.text
                self._publish(AnswerText(self.id, event.text))
            case _:
                raise TypeError(f"{type(event).__name__} does not belong to a turn")

    def _finish(self, stats: TurnStats) -> None:
        stopped = stats.stop_reason is StopReason.CANCELLED
        answer = self._end(MessageState.STOPPED if stopped else MessageState.COMPLETE, stats=stats)
        self._publish(TurnFinished(self.id, answer))

    def _end(self, state: MessageState, stats: TurnStats | None = None, error: str = "") -> Message:
        self._answer = replace(
            self._answer,
            parts=(Text(self._text),) if self._text else (),
            reasoning=self._reasoning,
            state=state,
            stats=stats,
            error=error,
        )
        self._store.finish(self._answer)
        return self._answer
