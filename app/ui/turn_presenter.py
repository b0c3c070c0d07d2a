"""What the window shows of a turn."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from app.core.events import (
    AnswerText,
    PrefillProgressed,
    PromptRendered,
    ReasoningFinished,
    ReasoningText,
    TurnEvent,
    TurnFailed,
    TurnFinished,
    TurnsLeftOut,
    TurnStarted,
)
from app.core.messages import MessageState
from app.ui.commands import Commands
from app.ui.session import RunningTurn, Session
from app.ui.window import MainWindow


class TurnPresenter:
    """Paint a turn into the chat it belongs to, and only while that chat is shown."""

    def __init__(self, window: MainWindow, session: Session, commands: Commands) -> None:
        self._window = window
        self._session = session
        self._commands = commands
        self._view = window.chat.transcript

    def show(self, event: TurnEvent) -> None:
        """Show `event`."""
        match event:
            case TurnStarted():
                self._start(event)
            case TurnFinished() | TurnFailed():
                self._end(event)
            case TurnsLeftOut():
                self._leave_out(event)
            case _:
                if self._session.paints(event.turn_id):
                    self._grow(event)

    def _grow(self, event: PromptRendered | PrefillProgressed | ReasoningText | ReasoningFinished | AnswerText) -> None:
        match event:
            case PromptRendered():
                self._view.set_settings(event.settings)
                self._window.chat.composer.show_rendered(event.settings)
            case PrefillProgressed():
                self._view.set_prefill(event.done_tokens, event.total_tokens, event.seconds_left)
            case ReasoningText():
                self._view.add_reasoning(event.text)
            case ReasoningFinished():
                self._view.finish_reasoning(event.seconds, event.tokens, event.end)
            case AnswerText():
                self._view.add_answer(event.text)
            case _:
                assert_never(event)

    def _start(self, event: TurnStarted) -> None:
        session, chat = self._session, self._window.chat
        conversation_id = event.answer.conversation_id
        session.running = RunningTurn(event.turn_id, conversation_id)
        session.said_in_chat = ""
        was_sent = chat.composer.confirm_sent(event.question.text)
        if was_sent and session.awaits_id and session.shown_id is None:
            self._adopt(conversation_id)
        if session.paints(event.turn_id):
            chat.show_transcript(shown=True)
            self._view.start_turn(event.question, event.answer)
        self.show_busy()

    def _leave_out(self, event: TurnsLeftOut) -> None:
        session = self._session
        if session.running is not None and session.running.turn_id == event.turn_id:
            session.running = replace(session.running, first_seen_id=event.first_seen_id)
        if not session.paints(event.turn_id):
            return
        self._view.set_horizon(event.first_seen_id if event.messages else "")
        if event.is_news:
            self._window.toast.say(
                f"The context is full: the model no longer sees the first {event.messages} messages of this chat."
            )

    def _adopt(self, conversation_id: str) -> None:
        session, window = self._session, self._window
        session.shown_id = conversation_id
        session.awaits_id = False
        window.chat.composer.adopt(conversation_id)
        window.sidebar.chats.mark(conversation_id)
        window.all_actions.allow_chat_actions(allowed=True)
        window.show_chat_title(session.title_of(conversation_id))
        self._commands.remember(last_conversation=conversation_id)

    def _end(self, event: TurnFinished | TurnFailed) -> None:
        session = self._session
        if session.paints(event.turn_id):
            if isinstance(event, TurnFailed):
                self._view.fail_turn(event.answer, event.sentence)
                session.said_in_chat = event.sentence
            else:
                self._view.finish_turn(event.answer)
        else:
            self._tell_elsewhere(event)
        if session.running is not None and session.running.turn_id == event.turn_id:
            session.running = None
        self.show_busy()
        if event.answer.stats is not None:
            self._window.hardware.show_speed(event.answer.stats.tokens_per_second)
        self._commands.measure()

    def _tell_elsewhere(self, event: TurnFinished | TurnFailed) -> None:
        conversation_id = event.answer.conversation_id
        if conversation_id not in self._session.summaries:  # deleted meanwhile
            return
        title = self._session.title_of(conversation_id)
        words = f"“{title}” has its answer" if isinstance(event, TurnFinished) else f"“{title}” has no answer"
        if event.answer.state is not MessageState.STOPPED:
            self._window.toast.say(words, "Show", lambda: self._commands.open_chat(conversation_id))

    def show_busy(self) -> None:
        """Show which chat is being answered, if any."""
        running, composer = self._session.running, self._window.chat.composer
        self._window.sidebar.chats.mark_busy(running.conversation_id if running else None)
        if running is None:
            composer.set_busy("")
        elif running.conversation_id == self._session.shown_id:
            composer.set_busy("The model is still answering.")
        else:
            title = self._session.title_of(running.conversation_id)
            composer.set_busy(f"The model is still answering in “{title}”.")
