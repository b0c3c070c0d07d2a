"""A light widget that shows one text document and marks parts of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil

from PySide6.QtCore import QPoint, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QAbstractTextDocumentLayout,
    QColor,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QTextCharFormat,
    QTextCursor,
    QTextFormat,
)
from PySide6.QtWidgets import QWidget

from app.ui.style import selection as selection_color
from app.ui.transcript.bullets import paint_bullets
from app.ui.transcript.document import Link, SafeDocument
from app.ui.transcript.stage import Stage

_Mark = QAbstractTextDocumentLayout.Selection


class PaneView(QWidget):
    """Show a text document at any width, with marked text and a ring around the link in focus."""

    height_changed = Signal()

    def __init__(self, stage: Stage, *, wrap: bool = True, muted: bool = False) -> None:
        super().__init__()
        self.stage = stage
        self.scope: Callable[[], Sequence[PaneView]] = lambda: [self]
        self.text_document = SafeDocument(wrap=wrap)
        self._muted = muted
        self._html = ""
        self._links: list[Link] = []
        self._link_in_focus = -1
        self._marked = (0, 0)
        self.list_depth = 0
        self._dress()

    # --- content ---

    def set_html(self, html: str) -> None:
        """Replace the text; one with links can be reached by Tab."""
        self._html = html
        self._link_in_focus = -1
        self.text_document.show_html(html)
        self._links = self.text_document.links() if "<a " in html else []
        policy = Qt.FocusPolicy.StrongFocus if self._links else Qt.FocusPolicy.ClickFocus
        self.setFocusPolicy(policy)
        self.update()

    def restyle(self) -> None:
        """Take over the stage's present look."""
        self._dress()
        self.set_html(self._html)

    def plain_text(self) -> str:
        """Return the whole text, formulas as their source."""
        return self.text_document.text_between(0, self.last_position())

    def links(self) -> Sequence[Link]:
        """Return the links in the text."""
        return self._links

    def _dress(self) -> None:
        self.text_document.dress(self.stage.look, self.devicePixelRatioF(), muted=self._muted)

    # --- geometry ---

    def hasHeightForWidth(self) -> bool:  # noqa: N802 - Qt's name
        """Say that the height follows from the width."""
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802 - Qt's name
        """Return the height of the text at `width`."""
        if self.text_document.textWidth() != width:
            self.text_document.setTextWidth(width)
        return ceil(self.text_document.size().height())

    def natural_width(self) -> int:
        """Return the width the text would like."""
        return ceil(self.text_document.idealWidth())

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the size without any wrapping."""
        return QSize(self.natural_width(), ceil(self.text_document.size().height()))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Lay the text out for the new width."""
        super().resizeEvent(event)
        self.heightForWidth(event.size().width())

    # --- selection ---

    def peers(self) -> Sequence[PaneView]:
        """Return the panes of the same message."""
        return self.scope()

    def last_position(self) -> int:
        """Return the position after the last character."""
        return self.text_document.characterCount() - 1

    def position_at(self, global_point: QPoint) -> int:
        """Return the position nearest to a point of the screen."""
        point = QPointF(self.mapFromGlobal(global_point))
        hit = self.text_document.documentLayout().hitTest(point, Qt.HitTestAccuracy.FuzzyHit)
        return max(0, hit)

    def vertical_span(self) -> tuple[int, int]:
        """Return upper and lower edge on the screen."""
        top = self.mapToGlobal(QPoint(0, 0)).y()
        return top, top + self.height()

    def mark(self, start: int, end: int) -> None:
        """Show the text between two positions as selected."""
        low, high = sorted((start, end))
        if (low, high) != self._marked:
            self._marked = (low, high)
            self.update()

    def marked_text(self) -> str:
        """Return the selected text."""
        low, high = self._marked
        return self.text_document.text_between(low, min(high, self.last_position())) if high > low else ""

    # --- painting ---

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Paint what is visible of the text."""
        painter = QPainter(self)
        context = QAbstractTextDocumentLayout.PaintContext()
        context.palette = self.stage.look.palette(muted=self._muted)
        context.clip = QRectF(event.rect())
        context.selections = self._marks()
        painter.setClipRect(event.rect())
        self.text_document.documentLayout().draw(painter, context)
        if "<ul>" in self._html:
            paint_bullets(painter, self.text_document, context.clip, self.stage.look.colors, self.list_depth)

    def _marks(self) -> list[_Mark]:
        marks = []
        if self._marked[1] > self._marked[0]:
            chosen = QTextCharFormat()
            chosen.setBackground(QColor(selection_color(self.stage.look.colors)))
            if "<ol" in self._html:  # Qt paints the numbers of a marked list with nothing else
                chosen.setForeground(self.stage.look.ink(muted=self._muted))
            marks.append(self._mark(*self._marked, chosen))
        if 0 <= self._link_in_focus < len(self._links) and self.hasFocus():
            ring = QTextCharFormat()
            pen = QPen(QColor(self.stage.look.colors.accent), 2)
            ring.setProperty(QTextFormat.Property.OutlinePen, pen)
            link = self._links[self._link_in_focus]
            marks.append(self._mark(link.start, link.end, ring))
        return marks

    def _mark(self, start: int, end: int, how: QTextCharFormat) -> _Mark:
        mark = _Mark()
        cursor = QTextCursor(self.text_document)
        last = self.last_position()
        cursor.setPosition(min(start, last))
        cursor.setPosition(min(end, last), QTextCursor.MoveMode.KeepAnchor)
        mark.cursor = cursor
        mark.format = how
        return mark
