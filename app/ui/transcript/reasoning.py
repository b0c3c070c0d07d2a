"""The reasoning of an answer: a header that tells how long it took, and the text when unfolded."""

from __future__ import annotations

import time

from PySide6.QtCore import QEvent, QPoint, QRect, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QEnterEvent, QFont, QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QHBoxLayout, QLabel, QPushButton, QWidget

from app.core.messages import ReasoningEnd
from app.ui.icons import draw_pixmap
from app.ui.theme import RADIUS_CONTROL, blend
from app.ui.transcript.body import MarkdownBody
from app.ui.transcript.stack import Stack
from app.ui.transcript.stage import Stage
from app.ui.transcript.wording import settings_note, thinking_title, thought_title

_TICK_MS = 200  # the title changes only once a second
_INDENT = 21
_TITLE_AT = 21
_HEADER_HEIGHT = 30


class ReasoningHeader(QAbstractButton):
    """Show the title with an arrow; a click, Space or Return folds and unfolds."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage
        self._hovered = False
        self.setCheckable(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a click leaves the focus to the text field
        self.toggled.connect(lambda _checked: self._name())

    def set_title(self, title: str) -> None:
        """Say `title`."""
        if title == self.text():
            return
        self.setText(title)
        self._name()
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the size of the title with its arrow."""
        return QSize(QFontMetrics(self._title_font()).horizontalAdvance(self.text()) + _TITLE_AT + 8, 28)

    def enterEvent(self, event: QEnterEvent) -> None:  # noqa: N802, ARG002 - Qt's signature
        """Show that it can be clicked."""
        self._hovered = True
        self.update()

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802, ARG002 - Qt's signature
        """Be quiet again."""
        self._hovered = False
        self.update()

    def hitButton(self, point: QPoint) -> bool:  # noqa: N802 - Qt's name
        """Take clicks on the title only, not on the empty rest of the line."""
        return self._title_box().contains(point)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 - Qt's signature
        """Paint arrow and title."""
        colors = self._stage.look.colors
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self._title_box()).adjusted(1, 1, -1, -1)
        if self._hovered:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(blend(colors.think, colors.window, 0.10)))
            painter.drawRoundedRect(box, RADIUS_CONTROL, RADIUS_CONTROL)
        if self.hasFocus():
            painter.setPen(QPen(QColor(colors.accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box, RADIUS_CONTROL, RADIUS_CONTROL)
        arrow = "chevron-down" if self.isChecked() else "chevron-right"
        painter.drawPixmap(0, 6, draw_pixmap(arrow, colors.think, 16, self.devicePixelRatioF()))
        painter.setFont(self._title_font())
        painter.setPen(QColor(colors.think))
        painter.drawText(self.rect().adjusted(_TITLE_AT, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, self.text())

    def _title_box(self) -> QRect:
        return QRect(0, 0, min(self.width(), self.sizeHint().width()), self.height())

    def _title_font(self) -> QFont:
        title_font = QFont(self._stage.look.body_font)
        title_font.setPointSizeF(title_font.pointSizeF() * 0.95)
        title_font.setWeight(QFont.Weight.Medium)
        return title_font

    def _name(self) -> None:
        state = "unfolded" if self.isChecked() else "folded"
        self.setAccessibleName(f"Reasoning: {self.text()}, {state}")


class ReasoningBlock(Stack):
    """Hold the reasoning text; it is laid out only once somebody wants to read it."""

    folding = Signal()  # before the height changes
    answer_wanted = Signal()

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage
        self._text = ""
        self._shown_length = 0
        self._settings = ""
        self._started_s = 0.0
        self.header = ReasoningHeader(stage)
        self.header.toggled.connect(self._toggle)
        self.answer_button = QPushButton("Answer now")
        self.answer_button.setProperty("look", "link")
        self.answer_button.setToolTip("End the thinking; the answer follows at once (Ctrl+Shift+A)")
        self.answer_button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.answer_button.clicked.connect(self._ask_for_answer)
        self._note = QLabel()
        self._note.setWordWrap(True)
        self._note.setProperty("look", "small")
        self._note.setContentsMargins(_INDENT, 2, 0, 6)
        self.body = MarkdownBody(stage, muted=True)
        self._indented = _Indented(self.body, stage)
        self._clock = QTimer(self)
        self._clock.setInterval(_TICK_MS)
        self._clock.timeout.connect(self._tick)
        self.add_row(_beside(self.header, self.answer_button))
        self.add_row(self._indented, 2)
        self.add_row(self._note, 4)
        self._indented.hide()
        self._note.hide()
        self.answer_button.hide()
        self.restyle()

    @property
    def source(self) -> str:
        """Return the reasoning as written."""
        return self._text

    def start(self, seconds_ago: float = 0.0) -> None:
        """Let the time run in the header."""
        self._started_s = time.monotonic() - seconds_ago
        self._clock.start()
        self.answer_button.setEnabled(True)
        self.answer_button.show()
        self._tick()

    def add(self, text: str) -> None:
        """Add reasoning; `refresh` shows it."""
        self._text += text

    def refresh(self) -> None:
        """Show what was added, if the block is unfolded."""
        if self.header.isChecked() and self._shown_length < len(self._text):
            self.body.feed(self._text[self._shown_length :])
            self._shown_length = len(self._text)
            self.body.refresh()

    def finish(self, seconds: float, tokens: int, end: ReasoningEnd = ReasoningEnd.MODEL) -> None:
        """Stop the time and say what the reasoning took, and why it ended if the model did not end it."""
        self._clock.stop()
        self.answer_button.hide()
        self.refresh()
        if self.header.isChecked():
            self.body.finish()
        self.header.set_title(thought_title(seconds, tokens, end))

    def is_running(self) -> bool:
        """Tell whether the model still thinks."""
        return self._clock.isActive()

    def stop(self) -> None:
        """Stop the time where it stands."""
        if self._clock.isActive():
            self.finish(time.monotonic() - self._started_s, 0)

    def set_settings(self, settings: str) -> None:
        """Say which settings stood in the prompt."""
        self._settings = settings
        self.header.setToolTip(settings_note(settings))
        self._note.setText(settings_note(settings))
        self.show_row(self._note, self.header.isChecked() and bool(settings))

    def restyle(self) -> None:
        """Take over the stage's present look."""
        self.body.restyle()
        self.update()

    def _ask_for_answer(self) -> None:
        self.answer_button.setEnabled(False)  # until the reasoning has ended, which takes a moment
        self.answer_wanted.emit()

    def _tick(self) -> None:
        self.header.set_title(thinking_title(time.monotonic() - self._started_s))

    def _toggle(self, unfolded: bool) -> None:
        self.folding.emit()
        self.refresh()
        if unfolded and not self._clock.isActive():
            self.body.finish()
        self._note.setVisible(unfolded and bool(self._settings))
        self._indented.setVisible(unfolded)
        self.lay_out()


def _beside(header: QWidget, button: QWidget) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(header, 1)
    layout.addWidget(button)
    row.setFixedHeight(_HEADER_HEIGHT)  # whether or not the button is there: the text below must not jump
    return row


class _Indented(Stack):
    """Set the reasoning off with a line at its left."""

    def __init__(self, body: MarkdownBody, stage: Stage) -> None:
        super().__init__()
        self._stage = stage
        self._body = body
        self.add_row(body)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 - Qt's signature
        """Paint the line."""
        colors = self._stage.look.colors
        line = QColor(blend(colors.think, colors.window, 0.45))
        QPainter(self).fillRect(7, 0, 2, self.height(), line)

    def _place(self) -> None:
        width = max(1, self._laid_out_at - _INDENT)
        self._height = self._body.heightForWidth(width)
        self._body.setGeometry(_INDENT, 0, width, self._height)
