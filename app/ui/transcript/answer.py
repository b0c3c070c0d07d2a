"""An answer of the model: reasoning, text, how it ended, and what it took."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from PySide6.QtCore import QEvent, Signal
from PySide6.QtGui import QEnterEvent, QGuiApplication
from PySide6.QtWidgets import QLabel

from app.core.messages import Message, MessageState, ReasoningEnd
from app.ui.transcript.body import MarkdownBody
from app.ui.transcript.footer import Footer
from app.ui.transcript.notice import Notice
from app.ui.transcript.reasoning import ReasoningBlock
from app.ui.transcript.stack import Stack
from app.ui.transcript.stage import Stage
from app.ui.transcript.text_pane import TextPane
from app.ui.transcript.wording import (
    context_notice,
    reading_title,
    settings_note,
    spoken_name,
    stats_line,
    status_line,
)


class AnswerView(Stack):
    """Show an answer, whole or growing."""

    regenerate_requested = Signal(str)
    answer_now_requested = Signal()
    go_on_requested = Signal()
    folding = Signal()

    def __init__(self, stage: Stage, message: Message) -> None:
        super().__init__()
        self.message = message
        self._stage = stage
        self._arrived = ""
        self._settings = message.settings_rendered
        self._is_last = False
        self.reasoning: ReasoningBlock | None = None
        self.body = MarkdownBody(stage)
        self.status = QLabel()
        self.status.setProperty("look", "small")
        self.status.setWordWrap(True)
        self.notice = Notice(stage)
        self.notice.chosen.connect(self._help)
        self.footer = Footer(stage)
        self.copy_button = self.footer.add_button("copy", "Copy answer as Markdown")
        self.copy_button.clicked.connect(self._copy)
        self.again_button = self.footer.add_button("refresh-cw", "Answer again")
        self.again_button.clicked.connect(lambda: self.regenerate_requested.emit(self.message.id))
        for row, gap in ((self.body, 8), (self.status, 8), (self.notice, 10), (self.footer, 0)):
            self.add_row(row, gap)
        self.restyle()
        self._begin(message)

    def panes(self) -> list[TextPane]:
        """Return the texts inside."""
        return self.body.panes()

    # --- while it grows ---

    def set_prefill(self, done_tokens: int, total_tokens: int, seconds_left: float | None = None) -> None:
        """Say how much of the prompt has been read, and how long the rest takes where that is known."""
        if self.reasoning is None and not self._arrived:
            self._say(reading_title(done_tokens, total_tokens, seconds_left))

    def set_settings(self, settings: str) -> None:
        """Say which settings stood in the prompt."""
        self._settings = settings
        if self.reasoning is not None:
            self.reasoning.set_settings(settings)
        self._tell_stats()

    def add_reasoning(self, text: str) -> None:
        """Add reasoning; `refresh` shows it."""
        reasoning = self._need_reasoning()
        if not reasoning.is_running():
            reasoning.start()
        reasoning.add(text)
        self._say("")

    def finish_reasoning(self, seconds: float, tokens: int, end: ReasoningEnd = ReasoningEnd.MODEL) -> None:
        """Say what the reasoning took and who ended it."""
        self._need_reasoning().finish(seconds, tokens, end)

    def add_answer(self, text: str) -> None:
        """Add text; `refresh` shows it."""
        if self.reasoning is not None:
            self.reasoning.stop()
        self._say("")
        self._arrived += text
        self.body.feed(text)

    def refresh(self) -> None:
        """Show what was added."""
        if self.reasoning is not None:
            self.reasoning.refresh()
        self.body.refresh()

    def finish(self, message: Message) -> None:
        """Show the answer as it was saved."""
        self.message = message
        if message.text == self._arrived:
            self.body.finish()
        else:
            self._arrived = message.text
            self.body.set_text(message.text)
        if self.reasoning is not None:
            self.reasoning.stop()
        self._show_reasoning(message)
        self._show_end()

    # --- the rest ---

    def set_last(self, *, is_last: bool) -> None:
        """Say whether the conversation ends here, so that it can go on from here."""
        if is_last != self._is_last:
            self._is_last = is_last
            self._show_notice()
            self.lay_out()

    def restyle(self) -> None:
        """Take over the stage's present look."""
        for part in (self.body, self.notice, self.footer):
            part.restyle()
        if self.reasoning is not None:
            self.reasoning.restyle()

    def enterEvent(self, event: QEnterEvent) -> None:  # noqa: N802, ARG002 - Qt's signature
        """Show the actions once the answer is whole."""
        self.footer.set_hovered(self.message.state is not MessageState.GROWING)

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802, ARG002 - Qt's signature
        """Hide the actions."""
        self.footer.set_hovered(False)

    def _begin(self, message: Message) -> None:
        self._arrived = message.text
        growing = message.state is MessageState.GROWING
        if growing:
            self.body.feed(message.text)
            self.body.refresh()
        else:
            self.body.set_text(message.text)
        self._show_reasoning(message)
        self._show_end()
        if growing and self.reasoning is not None and not message.text:
            self.reasoning.start((datetime.now(UTC) - message.created_at).total_seconds())

    def _need_reasoning(self) -> ReasoningBlock:
        if self.reasoning is None:
            self.reasoning = ReasoningBlock(self._stage)
            self.reasoning.set_settings(self._settings)
            self.reasoning.folding.connect(self.folding)
            self.reasoning.answer_wanted.connect(self.answer_now_requested)
            self.add_row(self.reasoning, first=True)
            self.lay_out()
        return self.reasoning

    def _show_reasoning(self, message: Message) -> None:
        if not message.reasoning:
            return
        reasoning = self._need_reasoning()
        if message.reasoning.startswith(reasoning.source):
            reasoning.add(message.reasoning[len(reasoning.source) :])
        reasoning.set_settings(message.settings_rendered or self._settings)
        if message.stats is not None:
            stats = message.stats
            reasoning.finish(stats.reasoning_ms / 1000, stats.reasoning_tokens, stats.reasoning_end)
        elif message.state is not MessageState.GROWING:
            reasoning.finish(0, 0)

    def _show_end(self) -> None:
        message = self.message
        self.setAccessibleName(spoken_name(message))
        growing = message.state is MessageState.GROWING
        for button in (self.copy_button, self.again_button):
            button.setEnabled(not growing)
        self.copy_button.setVisible(bool(message.text))
        waits = growing and not message.text and not message.reasoning
        self._say(reading_title(0, 0) if waits else status_line(message))
        self._show_notice()
        self._tell_stats()
        self.footer.set_hovered(self.underMouse() and not growing)
        self.lay_out()

    def _show_notice(self) -> None:
        failed = self.message.state is MessageState.FAILED
        full = context_notice(self.message)
        if failed:
            self.notice.say(self.message.error or "The answer could not be finished.", "Try again")
        elif full:
            self.notice.say(full, "Go on" if self._is_last else "", is_failure=False)
        self.notice.setVisible(failed or bool(full))

    def _say(self, text: str) -> None:
        if text != self.status.text() or self.status.isHidden() == bool(text):
            self.status.setText(text)
            self.status.setVisible(bool(text))
            self.lay_out()

    def _tell_stats(self) -> None:
        stats = self.message.stats
        note = settings_note(self.message.settings_rendered or self._settings)
        self.footer.set_stats(stats_line(stats) if stats is not None else "", note)

    def _help(self) -> None:
        if self.message.state is MessageState.FAILED:
            self.regenerate_requested.emit(self.message.id)
        else:
            self.go_on_requested.emit()

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.message.text)
        self.copy_button.confirm()


def failed_answer(answer: Message, sentence: str) -> Message:
    """Return `answer` as one that failed with `sentence`."""
    return replace(answer, state=MessageState.FAILED, error=sentence)
