"""The text input: grows with its text, sends with Enter, and never in the middle of a composition."""

from __future__ import annotations

from PySide6.QtCore import QElapsedTimer, QMimeData, Qt, Signal
from PySide6.QtGui import (
    QDragEnterEvent,
    QDragMoveEvent,
    QDropEvent,
    QFocusEvent,
    QInputMethodEvent,
    QKeyEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import QPlainTextEdit, QSizePolicy

from app.ui.drops import read_given

_MOST_LINES = 9
# Some input methods deliver the Enter that accepted a composition once more, right after it.
_AFTER_COMPOSITION_MS = 60


class MessageInput(QPlainTextEdit):
    """Take a message. `submitted`: Enter was pressed; `given` carries what was pasted besides text."""

    submitted = Signal()
    given = Signal(object)
    focus_changed = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("message")
        self._is_composing = False
        self._since_composition = QElapsedTimer()
        self.setPlaceholderText("Ask anything…")
        self.setAccessibleName("Message")
        self.setTabChangesFocus(True)
        self.setFrameShape(QPlainTextEdit.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.document().setDocumentMargin(4)
        self.document().documentLayout().documentSizeChanged.connect(self._fit)
        self._fit()

    @property
    def is_composing(self) -> bool:
        """Say whether an input method is, or was a moment ago, composing text."""
        recent = self._since_composition.isValid() and (self._since_composition.elapsed() < _AFTER_COMPOSITION_MS)
        return self._is_composing or recent

    def inputMethodEvent(self, event: QInputMethodEvent) -> None:  # noqa: N802 - Qt's name
        """Remember whether a composition is under way."""
        was_composing = self._is_composing
        self._is_composing = bool(event.preeditString())
        if was_composing and not self._is_composing:
            self._since_composition.start()
        super().inputMethodEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Send with Enter, break the line with Shift+Enter."""
        if event.key() not in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            super().keyPressEvent(event)
        elif event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.insertPlainText("\n")
            self.ensureCursorVisible()
        elif not self.is_composing:
            self.submitted.emit()

    def canInsertFromMimeData(self, source: QMimeData) -> bool:  # noqa: N802 - Qt's name
        """Take pictures and files too."""
        return not read_given(source).is_empty or super().canInsertFromMimeData(source)

    def insertFromMimeData(self, source: QMimeData) -> None:  # noqa: N802 - Qt's name
        """Hand over pictures and files; insert everything else as plain text."""
        given = read_given(source)
        if given.is_empty:
            super().insertFromMimeData(source)
        else:
            self.given.emit(given)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        """Leave files to the window."""
        if read_given(event.mimeData()).is_empty:
            super().dragEnterEvent(event)
        else:
            event.ignore()

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:  # noqa: N802 - Qt's name
        """Leave files to the window."""
        if read_given(event.mimeData()).is_empty:
            super().dragMoveEvent(event)
        else:
            event.ignore()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        """Leave files to the window."""
        if read_given(event.mimeData()).is_empty:
            super().dropEvent(event)
        else:
            event.ignore()

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802 - Qt's name
        """Say that the person writes here."""
        super().focusInEvent(event)
        self.focus_changed.emit(True)

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802 - Qt's name
        """Say that the person has left."""
        super().focusOutEvent(event)
        self._is_composing = False
        self.focus_changed.emit(False)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Fit the height to the new line breaks."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        lines = max(1, round(self.document().size().height()))
        margins = 2 * round(self.document().documentMargin()) + 2
        self.setFixedHeight(min(lines, _MOST_LINES) * self.fontMetrics().lineSpacing() + margins)
        over = lines > _MOST_LINES
        self.setVerticalScrollBarPolicy(
            Qt.ScrollBarPolicy.ScrollBarAsNeeded if over else Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        )
