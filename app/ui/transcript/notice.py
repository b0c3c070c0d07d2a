"""What happened to an answer, in a sentence where it happened, with the button that helps."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from app.ui.icons import draw_pixmap
from app.ui.theme import RADIUS_CARD, blend
from app.ui.transcript.stage import Stage

_ICON = 18


class Notice(QWidget):
    """Show a failure, or something less grave, and one button."""

    chosen = Signal()

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage
        self._is_failure = True
        self._icon = QLabel()
        self._sentence = QLabel()
        self._sentence.setWordWrap(True)
        self._sentence.setTextFormat(Qt.TextFormat.PlainText)
        self._sentence.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.button = QPushButton()
        self.button.clicked.connect(self.chosen)
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 10, 12, 10)
        row.setSpacing(10)
        row.addWidget(self._icon)
        row.addWidget(self._sentence, 1)
        row.addWidget(self.button)
        self.restyle()

    def say(self, sentence: str, button_text: str, *, is_failure: bool = True) -> None:
        """Show `sentence` with a button, or without one where `button_text` is empty."""
        self._sentence.setText(sentence)
        self.button.setText(button_text)
        self.button.setVisible(bool(button_text))
        self._is_failure = is_failure
        self.restyle()

    def sentence(self) -> str:
        """Return what is said."""
        return self._sentence.text()

    @property
    def _tone(self) -> str:
        colors = self._stage.look.colors
        return colors.error if self._is_failure else colors.warning

    def restyle(self) -> None:
        """Take over the stage's present look."""
        self._icon.setPixmap(draw_pixmap("circle-alert", self._tone, _ICON, self.devicePixelRatioF()))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 - Qt's signature
        """Paint a card with a breath of the error's colour."""
        colors = self._stage.look.colors
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(blend(self._tone, colors.window, 0.35)), 1))
        painter.setBrush(QColor(blend(self._tone, colors.window, 0.06)))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), RADIUS_CARD, RADIUS_CARD)
