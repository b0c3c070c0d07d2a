"""Markdown as a stack of widgets, one per piece; only what has changed is touched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QRect, QSize, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

from app.ui.markdown.pieces import (
    CodePiece,
    FormulaPiece,
    Frame,
    HtmlPiece,
    Piece,
    RulePiece,
    TablePiece,
)
from app.ui.markdown.stream import MarkdownStream, Update
from app.ui.transcript.code_view import CodeView
from app.ui.transcript.piece_views import FormulaView, RuleView, TableView, TextView
from app.ui.transcript.stage import Stage
from app.ui.transcript.text_pane import TextPane

_FRAME_WIDTH = {Frame.ITEM: 26, Frame.QUOTE: 18}
_GAP = 12
_GAP_IN_BLOCK = 6
_GAP_ABOVE_HEADING = 22
_GAP_BELOW_HEADING = 6
_GAP_BELOW_TABLE = 16
_QUOTE_BAR = 3
_LEAST_WIDTH = 120
_MOST_VIEWS = 2_000  # more than any answer needs that was written to be read
_REST = HtmlPiece("<p><i>This answer goes on, but is too long to show. Copy it to read the rest.</i></p>")

PieceView = TextView | TableView | CodeView | FormulaView | RuleView


class MarkdownBody(QWidget):
    """Show a text that may grow."""

    height_changed = Signal()

    def __init__(self, stage: Stage, *, muted: bool = False) -> None:
        super().__init__()
        self._stage = stage
        self._muted = muted
        self._stream = MarkdownStream()
        self._pieces: list[Piece] = []
        self._views: list[PieceView] = []
        self._bottoms: list[int] = []
        self._laid_out_at = -1
        self._has_quotes = False

    # --- content ---

    def feed(self, text: str) -> None:
        """Add `text`; `refresh` shows it."""
        self._stream.feed(text)

    def refresh(self) -> None:
        """Show everything that was fed."""
        self._show(self._stream.update())

    def finish(self) -> None:
        """Show everything for good."""
        self._show(self._stream.finish())
        for view in self._views:
            if isinstance(view, CodeView):
                view.settle()

    def set_text(self, text: str) -> None:
        """Show a whole text."""
        self._stream = MarkdownStream()
        self._stream.feed(text)
        update = self._stream.finish()
        self._show(Update(0, update.pieces))

    def pieces(self) -> Sequence[Piece]:
        """Return what is shown."""
        return self._pieces

    def panes(self) -> list[TextPane]:
        """Return the texts inside, top to bottom."""
        return [pane for view in self._views for pane in view.panes()]

    def restyle(self) -> None:
        """Take over the stage's present look."""
        for view in self._views:
            view.restyle()
        self._lay_out_from(0)
        self.update()

    # --- geometry ---

    def hasHeightForWidth(self) -> bool:  # noqa: N802 - Qt's name
        """Say that the height follows from the width."""
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802 - Qt's name
        """Return the height of everything at `width`."""
        if width != self._laid_out_at:
            self._laid_out_at = width
            self._place_from(0)
        return self._bottoms[-1] if self._bottoms else 0

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the present size."""
        return QSize(self.width(), self.heightForWidth(self.width()))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Lay out for a new width."""
        super().resizeEvent(event)
        self.heightForWidth(event.size().width())

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 - Qt's signature
        """Paint the bars beside quotes."""
        if not self._has_quotes:
            return
        painter = QPainter(self)
        color = QColor(self._stage.look.colors.border)
        for index, piece in enumerate(self._pieces):
            if Frame.QUOTE not in piece.frames:
                continue
            box = self._views[index].geometry()
            for depth, x in _quote_bars(piece):
                joined = index > 0 and self._pieces[index - 1].frames[: depth + 1] == piece.frames[: depth + 1]
                top = self._bottoms[index - 1] if joined else box.top()
                painter.fillRect(QRect(x, top, _QUOTE_BAR, box.bottom() + 1 - top), color)

    # --- inside ---

    def _show(self, update: Update) -> None:
        update = _within_limit(update)
        changed = len(self._pieces)
        end = update.first + len(update.pieces)
        while len(self._views) > end:
            self._drop(self._views.pop())
            changed = min(changed, len(self._views))
        del self._pieces[end:]
        for index, piece in enumerate(update.pieces, start=update.first):
            if index < len(self._pieces) and self._pieces[index] == piece:
                continue
            changed = min(changed, index)
            self._show_piece(index, piece)
        self._lay_out_from(changed)

    def _show_piece(self, index: int, piece: Piece) -> None:
        if index == len(self._views):
            self._pieces.append(piece)
            self._views.append(self._make(piece))
        elif type(piece) is not type(self._pieces[index]):
            self._drop(self._views[index])
            self._views[index] = self._make(piece)
        self._has_quotes |= Frame.QUOTE in piece.frames
        view: Any = self._views[index]  # the piece is of the kind this view shows
        self._pieces[index] = piece
        view.set_piece(piece)

    def _make(self, piece: Piece) -> PieceView:
        view = _make_view(piece, self._stage, muted=self._muted)
        view.setParent(self)
        for pane in view.panes():
            pane.scope = self.panes
        view.height_changed.connect(lambda: self._lay_out_from(0))
        return view

    def _drop(self, view: PieceView) -> None:
        for pane in view.panes():
            self._stage.selection.forget(pane)
        view.hide()
        view.deleteLater()

    def _lay_out_from(self, first: int) -> None:
        before = self._bottoms[-1] if self._bottoms else 0
        if self._laid_out_at >= 0:
            self._place_from(first)
        if not self._bottoms or self._bottoms[-1] != before:
            self.height_changed.emit()

    def _place_from(self, first: int) -> None:
        del self._bottoms[first:]
        for index in range(first, len(self._views)):
            piece, view = self._pieces[index], self._views[index]
            left = sum(_FRAME_WIDTH[frame] for frame in piece.frames)
            left = max(0, min(left, self._laid_out_at - _LEAST_WIDTH))
            top = self._bottoms[-1] + _gap(self._pieces[index - 1], piece) if index else 0
            width = self._laid_out_at - left
            height = view.heightForWidth(width)
            view.setGeometry(left, top, width, height)
            if view.isHidden():
                view.show()
            self._bottoms.append(top + height)


def _within_limit(update: Update) -> Update:
    """Leave out what would make the window too heavy."""
    if update.first + len(update.pieces) <= _MOST_VIEWS:
        return update
    first = min(update.first, _MOST_VIEWS)
    return Update(first, [*update.pieces[: _MOST_VIEWS - first], _REST])


def _make_view(piece: Piece, stage: Stage, *, muted: bool) -> PieceView:
    match piece:
        case HtmlPiece():
            return TextView(stage, muted=muted)
        case TablePiece():
            return TableView(stage, muted=muted)
        case CodePiece():
            return CodeView(stage)
        case FormulaPiece():
            return FormulaView(stage, muted=muted)
        case RulePiece():
            return RuleView(stage)


def _gap(above: Piece, piece: Piece) -> int:
    if isinstance(piece, TablePiece) and piece.joins:
        return 0
    if isinstance(piece, HtmlPiece) and piece.joins:
        return 0 if isinstance(above, HtmlPiece) and above.html.endswith("l>") else _GAP_IN_BLOCK
    if isinstance(above, HtmlPiece) and above.heading:
        return _GAP_BELOW_HEADING
    if isinstance(piece, HtmlPiece) and piece.heading:
        return _GAP_ABOVE_HEADING
    if isinstance(above, TablePiece):
        return _GAP_BELOW_TABLE
    return _GAP_IN_BLOCK if piece.frames and above.frames else _GAP


def _quote_bars(piece: Piece) -> list[tuple[int, int]]:
    """Return (depth of the frame, x) of every quote bar beside a piece."""
    bars: list[tuple[int, int]] = []
    x = 0
    for depth, frame in enumerate(piece.frames):
        if frame is Frame.QUOTE:
            bars.append((depth, x))
        x += _FRAME_WIDTH[frame]
    return bars
