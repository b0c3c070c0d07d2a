"""The widgets that show pieces: text, tables, code, formulas, rules."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget

from app.ui.markdown.inline_html import formula_address
from app.ui.markdown.pieces import FormulaPiece, Frame, HtmlPiece, RulePiece, TablePiece
from app.ui.transcript.stage import Stage
from app.ui.transcript.text_pane import TextPane

_BAR_HEIGHT = 10


class TextView(TextPane):
    """Show a paragraph, heading or list."""

    def set_piece(self, piece: HtmlPiece) -> None:
        """Show `piece`."""
        self.list_depth = piece.frames.count(Frame.ITEM)
        self.set_html(piece.html)

    def panes(self) -> Sequence[TextPane]:
        """Return the texts inside."""
        return [self]


class SideScroll(QScrollArea):
    """Hold a pane that may be wider than the column; leaves turning the wheel to the page."""

    def __init__(self, pane: TextPane) -> None:
        super().__init__()
        self._pane = pane
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.viewport().setAutoFillBackground(False)
        self.setWidget(pane)
        pane.setAutoFillBackground(False)
        self.wraps = False

    def hasHeightForWidth(self) -> bool:  # noqa: N802 - Qt's name
        """Say that the height follows from the width."""
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802 - Qt's name
        """Return the pane's height, with the scroll bar's where one is needed."""
        inner = self._inner_width(width)
        return self._pane.heightForWidth(inner) + (_BAR_HEIGHT if inner > width else 0)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the pane's size."""
        return self._pane.sizeHint()

    def fit(self) -> None:
        """Give the pane its size."""
        inner = self._inner_width(self.width())
        self._pane.resize(inner, self._pane.heightForWidth(inner))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Give the pane its size."""
        super().resizeEvent(event)
        self.fit()

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        """Scroll sideways only."""
        delta = event.angleDelta()
        sideways = abs(delta.x()) > abs(delta.y()) or event.modifiers() & Qt.KeyboardModifier.ShiftModifier
        if sideways:
            bar = self.horizontalScrollBar()
            bar.setValue(bar.value() - (delta.x() or delta.y()))
        else:
            event.ignore()

    def _inner_width(self, width: int) -> int:
        return width if self.wraps else max(width, self._pane.natural_width())


class _TextScroll(SideScroll):
    """Scroll one text sideways."""

    height_changed = Signal()

    def __init__(self, stage: Stage, *, muted: bool = False) -> None:
        self._text = TextPane(stage, muted=muted)
        super().__init__(self._text)

    def restyle(self) -> None:
        """Take over the stage's present look."""
        self._text.restyle()
        self.fit()

    def panes(self) -> Sequence[TextPane]:
        """Return the texts inside."""
        return [self._text]

    def _inner_width(self, width: int) -> int:
        self._text.heightForWidth(width)
        return max(width, self._text.natural_width())


class TableView(_TextScroll):
    """Show a table; a wide one wraps its cells down to a readable width and then scrolls sideways."""

    def set_piece(self, piece: TablePiece) -> None:
        """Show `piece`."""
        self._text.set_html(piece.html)
        self.fit()


class FormulaView(_TextScroll):
    """Show a formula on a line of its own, centred."""

    def set_piece(self, piece: FormulaPiece) -> None:
        """Show `piece`."""
        address = formula_address(piece.latex, display=True)
        self._text.set_html(f'<div align="center"><img src="{address}"></div>')
        self._text.setAccessibleName(f"Formula: {piece.latex.strip()}")
        self.fit()


class RuleView(QWidget):
    """Show a horizontal line."""

    height_changed = Signal()

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage

    def set_piece(self, piece: RulePiece) -> None:
        """Show `piece`; all rules are alike."""

    def restyle(self) -> None:
        """Take over the stage's present look."""
        self.update()

    def panes(self) -> Sequence[TextPane]:
        """Return the texts inside."""
        return []

    def hasHeightForWidth(self) -> bool:  # noqa: N802 - Qt's name
        """Say that the height follows from the width."""
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802, ARG002 - Qt's signature
        """Return the height, the same at any width."""
        return 17

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 - Qt's signature
        """Paint the line."""
        QPainter(self).fillRect(0, 8, self.width(), 1, QColor(self._stage.look.colors.border))
