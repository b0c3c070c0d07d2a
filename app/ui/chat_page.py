"""The chat: its messages, or a greeting while there are none, and the composer below."""

from __future__ import annotations

from PySide6.QtWidgets import QAbstractScrollArea, QStackedWidget, QVBoxLayout, QWidget

from app.ui.appearance import Appearance
from app.ui.composer import Composer
from app.ui.empty_state import EmptyState
from app.ui.page import make_centred
from app.ui.theme import COLUMN_WIDTH
from app.ui.transcript.view import TranscriptView

_MARGINS = (24, 4, 24, 16)


class ChatPage(QWidget):
    """Hold the column of messages and the composer."""

    def __init__(self, appearance: Appearance, transcript: TranscriptView) -> None:
        super().__init__()
        self.transcript = transcript
        self.empty = EmptyState(appearance)
        self.composer = Composer(appearance)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.empty)
        self._stack.addWidget(transcript)
        appearance.changed.connect(transcript.set_colors)
        self._foot = make_centred(self.composer, COLUMN_WIDTH, _MARGINS)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._stack, 1)
        column.addWidget(self._foot)
        scroller = transcript.focusProxy()
        if isinstance(scroller, QAbstractScrollArea):
            self._bar = scroller.verticalScrollBar()
            self._bar.rangeChanged.connect(self._align)
        self.empty.question_suggested.connect(lambda text: self._suggest(text, think=False))
        self.empty.puzzle_suggested.connect(lambda text: self._suggest(text, think=True))

    @property
    def shows_transcript(self) -> bool:
        """Say whether messages are shown, not the greeting."""
        return self._stack.currentWidget() is self.transcript

    def show_transcript(self, *, shown: bool) -> None:
        """Show the messages, or the greeting."""
        self._stack.setCurrentWidget(self.transcript if shown else self.empty)

    def _align(self, lowest: int, highest: int) -> None:
        """Keep the composer below the column of messages, which a scroll bar moves to the left."""
        bar = self._bar.sizeHint().width() if highest > lowest else 0
        self._foot.setContentsMargins(0, 0, bar, 0)

    def _suggest(self, text: str, *, think: bool) -> None:
        if self.composer.switch.isEnabled():
            self.composer.switch.choose(int(think))
        self.composer.input.setPlainText(text)
        self.composer.input.moveCursor(self.composer.input.textCursor().MoveOperation.End)
        self.composer.input.setFocus()
