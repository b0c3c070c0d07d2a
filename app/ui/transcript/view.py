"""The message column of the window: shows a conversation, follows an answer as it grows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QResizeEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.core.messages import Message, MessageState, Picture, ReasoningEnd, Role, newest_view
from app.ui.markdown.formulas import prepare_formulas
from app.ui.theme import Colors
from app.ui.transcript.answer import AnswerView, failed_answer
from app.ui.transcript.column import Column, MessageView
from app.ui.transcript.look import Look
from app.ui.transcript.question import QuestionView
from app.ui.transcript.scroller import Scroller
from app.ui.transcript.selection import Selection
from app.ui.transcript.stage import Stage
from app.ui.transcript.thumbnails import ThumbnailLoader

_SHORTEST_FRAME_MS = 16
_LONGEST_FRAME_MS = 250
_READY_MS = 100
_FRAME_SHARE = 4  # a frame may take a quarter of the time


@dataclass(frozen=True, slots=True)
class _Flip:
    """Hold which version was asked for, where its pager shall be, and whether and where the keyboard was there."""

    message_id: str
    bottom: int  # pixels below the top of what is in view
    has_focus: bool
    forward: bool


class TranscriptView(QWidget):
    """Show the messages of one conversation."""

    regenerate_requested = Signal(str)
    edit_requested = Signal(str, str)
    version_requested = Signal(str)
    answer_now_requested = Signal()
    go_on_requested = Signal()

    def __init__(self, colors: Colors, picture_path: Callable[[Picture], Path]) -> None:
        super().__init__()
        self._stage = Stage(Look(colors), Selection(), ThumbnailLoader(), picture_path)
        self._answer: AnswerView | None = None
        self._versions: Mapping[str, Sequence[str]] = {}
        self._flip: _Flip | None = None
        self.column = Column(self._make_view)
        self.column.horizon.set_look(self._stage.look)
        self.scroller = Scroller(self.column, self._stage)
        self._frame_timer = QTimer(self)
        self._frame_timer.setSingleShot(True)
        self._frame_timer.timeout.connect(self.show_frame)
        self._frame_ms = _SHORTEST_FRAME_MS
        self.destroyed.connect(self._stage.thumbnails.close)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.scroller)
        self.setAccessibleName("Conversation")
        self.setFocusProxy(self.scroller)

    # --- conversations ---

    def show_conversation(
        self, messages: Sequence[Message], versions: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """Show `messages`, oldest first; a growing last answer goes on with `add_answer` and the like.

        `versions` holds the ids of all versions of those messages that have more than one.
        """
        self._leave_turn()
        self._versions = versions or {}
        flip, self._flip = self._flip, None
        if flip is not None and flip.has_focus:
            self.setFocus()  # else Qt moves the focus of the vanishing button, and the window with it
        self.column.set_messages(messages)
        self.column.set_horizon(_first_seen(messages))
        self._find_place(flip)
        if messages and messages[-1].state is MessageState.GROWING:
            self._join_turn(messages[-1])

    def set_versions(self, versions: Mapping[str, Sequence[str]]) -> None:
        """Say which of the messages shown have more than one version."""
        self._versions = versions
        for view in self.column.made_views():
            self._show_versions(view)

    def clear(self) -> None:
        """Show nothing."""
        self.show_conversation(())

    def set_colors(self, colors: Colors) -> None:
        """Change the theme."""
        self._stage.look = Look(colors)
        self.column.horizon.set_look(self._stage.look)
        for view in self.column.made_views():
            view.restyle()
        self.scroller.restyle()

    # --- one turn ---

    def start_turn(self, question: Message, answer: Message) -> None:
        """Show a question that was just sent and the place where its answer will grow."""
        self._leave_turn()
        _go_on_no_more(self.column.made_views())
        for message in (question, answer):
            if self.column.index_of(message.id) < 0:
                self.column.append(message)
        self._join_turn(answer)
        self.scroller.jump_to_end()
        QTimer.singleShot(_READY_MS, self, prepare_formulas)  # while the prompt is read, not in mid-answer

    def set_horizon(self, message_id: str) -> None:
        """Say that the model sees nothing before a message, or everything where `message_id` is empty."""
        self.column.set_horizon(message_id)
        self.scroller.settle()

    def set_prefill(self, done_tokens: int, total_tokens: int, seconds_left: float | None = None) -> None:
        """Say how much of the prompt has been read, and how long the rest takes where that is known."""
        if self._answer is not None:
            self._answer.set_prefill(done_tokens, total_tokens, seconds_left)

    def set_settings(self, text: str) -> None:
        """Say which settings really stood in the prompt."""
        if self._answer is not None:
            self._answer.set_settings(text)

    def add_reasoning(self, text: str) -> None:
        """Add to the reasoning."""
        if self._answer is not None:
            self._answer.add_reasoning(text)
            self._plan_frame()

    def finish_reasoning(self, seconds: float, tokens: int, end: ReasoningEnd = ReasoningEnd.MODEL) -> None:
        """Say that the reasoning ended, what it took and who ended it."""
        if self._answer is not None:
            self._answer.finish_reasoning(seconds, tokens, end)

    def add_answer(self, text: str) -> None:
        """Add to the answer."""
        if self._answer is not None:
            self._answer.add_answer(text)
            self._plan_frame()

    def finish_turn(self, answer: Message) -> None:
        """Show the answer as it was saved."""
        stopped = answer.state is MessageState.STOPPED
        self._end_turn(answer, "The answer was stopped." if stopped else "The answer is complete.")

    def fail_turn(self, answer: Message, sentence: str) -> None:
        """Say in place why an answer ended."""
        self._end_turn(failed_answer(answer, sentence), sentence)

    # --- inside ---

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Keep the place in the conversation at a new size."""
        super().resizeEvent(event)
        self.scroller.settle()

    def _make_view(self, message: Message) -> MessageView:
        if message.role is Role.USER:
            question = QuestionView(self._stage, message)
            question.edit_requested.connect(self.edit_requested)
            question.folding.connect(self.scroller.hold)
            self._add_pager(question)
            return question
        answer = AnswerView(self._stage, message)
        _connect(answer, self)
        answer.set_last(is_last=self.column.index_of(message.id) == len(self.column) - 1)
        self._add_pager(answer)
        return answer

    def _add_pager(self, view: MessageView) -> None:
        view.footer.pager.chosen.connect(lambda message_id: self._turn_to(view, message_id))
        self._show_versions(view)

    def _show_versions(self, view: MessageView) -> None:
        view.footer.pager.show_versions(view.message.id, self._versions.get(view.message.id, ()))

    def _turn_to(self, view: MessageView, message_id: str) -> None:
        pager = view.footer.pager
        bottom = view.geometry().bottom() + 1 - self.scroller.verticalScrollBar().value()
        self._flip = _Flip(message_id, bottom, pager.has_focus, pager.next_button.hasFocus())
        self.version_requested.emit(message_id)

    def _find_place(self, flip: _Flip | None) -> None:
        """Show the end, or the version that was asked for, where the pointer and the keyboard are."""
        index = self.column.index_of(flip.message_id) if flip is not None else -1
        if flip is None or index < 0:
            self.scroller.jump_to_end()
            return
        self.scroller.show_at(index, flip.bottom)
        pager = self.column.view_at(index).footer.pager
        if flip.has_focus:
            pager.take_focus(forward=flip.forward)
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, pager.spoken_place))

    def _join_turn(self, answer: Message) -> None:
        index = self.column.index_of(answer.id)
        view = self.column.view_at(index) if index >= 0 else None
        self._answer = view if isinstance(view, AnswerView) else None

    def _leave_turn(self) -> None:
        self._frame_timer.stop()
        self._answer = None
        self._stage.selection.clear()

    def _end_turn(self, answer: Message, announcement: str) -> None:
        if self._answer is None or self._answer.message.id != answer.id:
            self._join_turn(answer)
        if self._answer is None:
            return
        self._frame_timer.stop()
        self._answer.finish(answer)
        self._answer = None
        self.scroller.settle()
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, announcement))

    def _plan_frame(self) -> None:
        if not self._frame_timer.isActive():
            self._frame_timer.start(self._frame_ms)

    def show_frame(self) -> None:
        """Show what has arrived; the longer that takes, the longer until the next frame."""
        self._frame_timer.stop()
        if self._answer is None:
            return
        started_s = time.perf_counter()
        self._answer.refresh()
        taken_ms = (time.perf_counter() - started_s) * 1000
        self._frame_ms = round(max(_SHORTEST_FRAME_MS, min(_LONGEST_FRAME_MS, taken_ms * _FRAME_SHARE)))


def _first_seen(messages: Sequence[Message]) -> str:
    """Return the id of the first message that the model saw in the newest turn, or nothing if it saw them all."""
    stats = newest_view(messages)
    left_out = stats.left_out_messages if stats is not None else 0
    return messages[left_out].id if 0 < left_out < len(messages) else ""


def _connect(answer: AnswerView, view: TranscriptView) -> None:
    answer.regenerate_requested.connect(view.regenerate_requested)
    answer.answer_now_requested.connect(view.answer_now_requested)
    answer.go_on_requested.connect(view.go_on_requested)
    answer.folding.connect(view.scroller.hold)


def _go_on_no_more(views: Sequence[MessageView]) -> None:
    for view in views:
        if isinstance(view, AnswerView):
            view.set_last(is_last=False)
