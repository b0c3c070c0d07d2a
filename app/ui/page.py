"""What every page is made of: a scrolling column of at most 760 pixels, with cards."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLayout, QScrollArea, QVBoxLayout, QWidget

from app.ui.theme import COLUMN_WIDTH


class Page(QScrollArea):
    """Show a centred column that scrolls when the window is too low for it.

    With `is_in_middle` a column lower than the window stands a little above its middle, not at the top.
    """

    def __init__(self, name: str, *, is_in_middle: bool = False) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        column = QWidget()
        self.column = QVBoxLayout(column)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(12)
        inner = QWidget()
        inner.setObjectName("page")
        outer = QVBoxLayout(inner)
        outer.setContentsMargins(24, 16, 24, 16)
        if is_in_middle:
            outer.addStretch(2)
        outer.addWidget(make_centred(column))
        outer.addStretch(3)
        self.setWidget(inner)


def make_centred(
    widget: QWidget, width: int = COLUMN_WIDTH, margins: tuple[int, int, int, int] = (0, 0, 0, 0)
) -> QWidget:
    """Return a widget that holds `widget` in its middle, at most `width` pixels wide."""
    widget.setMaximumWidth(width)
    holder = QWidget()
    row = QHBoxLayout(holder)
    row.setContentsMargins(*margins)
    row.addStretch(1)
    row.addWidget(widget, 1000)
    row.addStretch(1)
    return holder


def make_card() -> tuple[QFrame, QVBoxLayout]:
    """Return a card and the column to fill it with."""
    card = QFrame()
    card.setObjectName("card")
    column = QVBoxLayout(card)
    column.setContentsMargins(16, 14, 16, 14)
    column.setSpacing(8)
    return card, column


def clear_layout(layout: QLayout) -> None:
    """Take everything out of `layout` and delete it."""
    while (item := layout.takeAt(0)) is not None:
        if (widget := item.widget()) is not None:
            widget.hide()
            widget.deleteLater()
        elif (inner := item.layout()) is not None:
            clear_layout(inner)
