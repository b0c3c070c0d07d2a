"""How full the context is."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.ui.appearance import Appearance
from app.ui.controls import make_label, set_look
from app.ui.units import THIN, in_percent, in_tokens

_NEARLY_FULL = 0.85
_LEAST_SHARE = 0.005


class _Ring(QWidget):
    def __init__(self, appearance: Appearance) -> None:
        super().__init__()
        self._appearance = appearance
        self.fraction = 0.0
        self.setFixedSize(14, 14)
        appearance.changed.connect(self.update)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 - Qt's signature
        colors = self._appearance.colors
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(2, 2, 10, 10)
        painter.setPen(QPen(QColor(colors.border), 2.5))
        painter.drawEllipse(area)
        tone = colors.warning if self.fraction >= _NEARLY_FULL else colors.text_secondary
        painter.setPen(QPen(QColor(tone), 2.5, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
        painter.drawArc(area, 90 * 16, -round(min(1.0, self.fraction) * 360 * 16))


class ContextMeter(QWidget):
    """Show what share of the context this conversation takes."""

    def __init__(self, appearance: Appearance) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        self._ring = _Ring(appearance)
        self._label = make_label("", "small")
        row.addWidget(self._ring)
        row.addWidget(self._label)
        self.hide()

    @property
    def text(self) -> str:
        """Return what is written."""
        return self._label.text()

    def show_tokens(self, used_tokens: int, context_tokens: int, note: str = "") -> None:
        """Show how many of `context_tokens` are used; `note` says what sending the draft would lead to."""
        fraction = used_tokens / context_tokens if context_tokens else 0.0
        self._ring.fraction = fraction
        self._ring.update()
        share = f"<{THIN}1{THIN}%" if 0 < fraction < _LEAST_SHARE else in_percent(fraction)
        self._label.setText(f"context {share}")
        set_look(self._label, look="bad" if note else "small")
        words = f"{used_tokens:,} of {in_tokens(context_tokens)} of the context are used"
        words = f"{words}. {note}" if note else words
        self.setToolTip(words)
        self.setAccessibleName(words)
        self.setVisible(context_tokens > 0)
