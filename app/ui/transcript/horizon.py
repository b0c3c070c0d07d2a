"""The line above which the model no longer sees the chat."""

from __future__ import annotations

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from app.ui.transcript.look import Look

HEIGHT = 40  # in pixels, with the room around it
_WORDS = "The model no longer sees what is above"
_GAP = 12


class Horizon(QWidget):
    """Paint a thin line with words in its middle."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._look: Look | None = None
        self.setAccessibleName(_WORDS)
        self.setToolTip("The chat is longer than the model’s context, so its oldest turns are left out.")
        self.hide()

    def set_look(self, look: Look) -> None:
        """Use `look` from now on."""
        self._look = look
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 - Qt's signature
        """Paint line and words."""
        if self._look is None:
            return
        painter = QPainter(self)
        painter.setFont(self._look.small_font)
        width = min(QFontMetrics(painter.font()).horizontalAdvance(_WORDS) + 2 * _GAP, self.width())
        left = (self.width() - width) // 2
        line = QColor(self._look.colors.border)
        painter.fillRect(0, HEIGHT // 2, left, 1, line)
        painter.fillRect(left + width, HEIGHT // 2, self.width() - left - width, 1, line)
        painter.setPen(QColor(self._look.colors.text_secondary))
        painter.drawText(QRect(left, 0, width, HEIGHT), Qt.AlignmentFlag.AlignCenter, _WORDS)
