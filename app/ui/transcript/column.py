"""The messages below each other; a widget is made for one only when it comes near the window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget

from app.core.messages import Message, Role
from app.ui.theme import COLUMN_WIDTH
from app.ui.transcript.answer import AnswerView
from app.ui.transcript.horizon import HEIGHT as HORIZON_HEIGHT
from app.ui.transcript.horizon import Horizon
from app.ui.transcript.question import QuestionView

MessageView = AnswerView | QuestionView

_MARGIN = 24
_TOP = 24
_BOTTOM = 24
_GAP_BELOW = {Role.USER: 2, Role.ASSISTANT: 12, Role.SYSTEM: 0}  # besides the room of the footer
_CHARACTERS_PER_LINE = 92
_LINE = 24
_FRAME = 70  # pixels of a message besides its text


@dataclass(slots=True)
class Slot:
    """Hold one message's place; `height` is a guess until `width` is the column's."""

    message: Message
    height: int
    top: int = 0
    width: int = -1
    view: MessageView | None = None


class Column(QWidget):
    """Place messages; heights of those not made yet are guessed."""

    height_changed = Signal()

    def __init__(self, make_view: Callable[[Message], MessageView]) -> None:
        super().__init__()
        self._make_view = make_view
        self._slots: list[Slot] = []
        self.horizon = Horizon(self)
        self._first_seen = ""

    # --- content ---

    def set_messages(self, messages: Sequence[Message]) -> None:
        """Show `messages` in place of what was shown."""
        for slot in self._slots:
            if slot.view is not None:
                slot.view.hide()
                slot.view.deleteLater()
        shown = [message for message in messages if message.role is not Role.SYSTEM]
        self._slots = [Slot(message, _guess(message)) for message in shown]
        self._place(0)

    def append(self, message: Message) -> None:
        """Show one more message."""
        self._slots.append(Slot(message, _guess(message)))
        self._place(len(self._slots) - 1)

    def set_horizon(self, message_id: str) -> None:
        """Draw the line of what the model sees above a message, or none where `message_id` is empty."""
        if message_id == self._first_seen:
            return
        self._first_seen = message_id
        self._place(0)
        self.height_changed.emit()

    def index_of(self, message_id: str) -> int:
        """Return the number of a message, or -1."""
        return next((i for i, slot in enumerate(self._slots) if slot.message.id == message_id), -1)

    def bottom_of(self, index: int) -> int:
        """Return where a message ends, from the top of the column."""
        return self._slots[index].top + self._slots[index].height

    def view_at(self, index: int) -> MessageView:
        """Return the widget of a message, made now if need be."""
        self._measure(index)
        self._place(index)
        view = self._slots[index].view
        if view is None:
            raise IndexError(index)
        return view

    def made_views(self) -> list[MessageView]:
        """Return the widgets that exist."""
        return [slot.view for slot in self._slots if slot.view is not None]

    def __len__(self) -> int:
        return len(self._slots)

    # --- geometry ---

    def make_between(self, top: int, bottom: int, eye: int, most: int = 1_000_000) -> int:
        """Make and measure what lies between two heights; return by how much what was at `eye` moved down.

        At most `most` widgets are made, so that the rest can wait for an idle moment.
        """
        anchor = next((slot for slot in self._slots if slot.top + slot.height > eye), None)
        before = anchor.top if anchor is not None else 0
        first_changed = -1
        for index, slot in enumerate(self._slots):
            if slot.top > bottom or most <= 0:
                break
            if slot.top + slot.height >= top and slot.width != self.content_width():
                self._measure(index)
                first_changed = index if first_changed < 0 else first_changed
                most -= 1
        if first_changed >= 0:
            self._place(first_changed)
        return (anchor.top - before) if anchor is not None else 0

    def lacks_between(self, top: int, bottom: int) -> bool:
        """Tell whether anything between two heights is still a guess."""
        width = self.content_width()
        return any(slot.width != width and slot.top <= bottom and slot.top + slot.height >= top for slot in self._slots)

    def content_width(self) -> int:
        """Return the width of the messages."""
        return max(1, min(COLUMN_WIDTH, self.width() - 2 * _MARGIN))

    def content_height(self) -> int:
        """Return the height of everything, guesses included."""
        if not self._slots:
            return 0
        return self._slots[-1].top + self._slots[-1].height + _BOTTOM

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the present size."""
        return QSize(self.width(), self.content_height())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Move the messages to the new middle."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._place(0)

    def _measure(self, index: int) -> None:
        slot = self._slots[index]
        if slot.view is None:
            slot.view = self._make_view(slot.message)
            slot.view.setParent(self)
            slot.view.height_changed.connect(lambda: self._follow(slot))
        slot.width = self.content_width()
        slot.height = slot.view.heightForWidth(slot.width)

    def _follow(self, slot: Slot) -> None:
        """Make room for a message that has become higher or lower."""
        if slot.view is None or slot.width < 0 or slot not in self._slots:
            return
        slot.height = slot.view.heightForWidth(slot.width)
        self._place(self._slots.index(slot))
        self.height_changed.emit()

    def _place(self, first: int) -> None:
        left = (self.width() - self.content_width()) // 2
        top = _TOP
        if first > 0:
            above = self._slots[first - 1]
            top = above.top + above.height + _GAP_BELOW[above.message.role]
        if first == 0:
            self.horizon.hide()
        for slot in self._slots[first:]:
            if slot.message.id == self._first_seen:
                self.horizon.setGeometry(left, top, self.content_width(), HORIZON_HEIGHT)
                self.horizon.show()
                top += HORIZON_HEIGHT
            slot.top = top
            if slot.view is not None and slot.width >= 0:
                slot.view.setGeometry(left, top, self.content_width(), slot.height)
                slot.view.show()
            top += slot.height + _GAP_BELOW[slot.message.role]


def _guess(message: Message) -> int:
    text = message.text
    lines = len(text) / _CHARACTERS_PER_LINE + text.count("\n") * 0.6 + 1
    return round(lines * _LINE) + _FRAME + (180 if message.pictures else 0)
