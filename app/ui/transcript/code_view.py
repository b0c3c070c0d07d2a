"""A code block: its language, buttons to copy and wrap, and the coloured code."""

from __future__ import annotations

import time
from collections.abc import Sequence

from PySide6.QtCore import QRectF, Signal
from PySide6.QtGui import (
    QColor,
    QFontInfo,
    QGuiApplication,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextLayout,
    QTextOption,
)
from PySide6.QtWidgets import QLabel, QWidget

from app.ui.markdown.highlight import DARK_INKS, LIGHT_INKS, Line, highlight, language_label
from app.ui.markdown.pieces import CodePiece
from app.ui.theme import RADIUS_CARD
from app.ui.transcript.icon_button import IconButton
from app.ui.transcript.piece_views import SideScroll
from app.ui.transcript.stage import Stage
from app.ui.transcript.text_pane import TextPane

_HEADER = 32
_PADDING = 14
_BUTTON = 28
_LINE_SHARE = 1.5  # of the font's size
_LEXING_SHARE = 0.04  # of the time while the code grows


class CodePane(TextPane):
    """Show code that may grow at its end; what is coloured once stays where it is."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage, wrap=False)
        self._code = ""
        self._lines: list[Line] = []
        self._next_lexing_s = 0.0

    def set_code(self, code: str, language: str) -> None:
        """Show `code`; where it only grew, only the end is laid out again."""
        grown = bool(self._code) and code.startswith(self._code)
        first = self.text_document.blockCount() - 1 if grown else 0
        if grown:
            cursor = QTextCursor(self.text_document)
            cursor.movePosition(QTextCursor.MoveOperation.End)
            cursor.insertText(code[len(self._code) :])
        else:
            self.text_document.setPlainText(code)
            self._space_lines()
            self._lines = []
        self._code = code
        now = time.monotonic()
        if not grown or now >= self._next_lexing_s:
            first = min(first, self.color(language))
            self._next_lexing_s = now + (time.monotonic() - now) / _LEXING_SHARE
        self._update_from(first)

    def color(self, language: str) -> int:
        """Colour the lines whose colours have changed; return the number of the first of them."""
        lines = highlight(self._code, language)
        inks = DARK_INKS if self.stage.look.colors.is_dark else LIGHT_INKS
        first = len(lines)
        block = self.text_document.begin()
        for number, line in enumerate(lines):
            if number >= len(self._lines) or self._lines[number] != line:
                block.layout().setFormats([_range(span.start, span.length, inks[span.ink]) for span in line])
                self.text_document.markContentsDirty(block.position(), block.length())
                first = min(first, number)
            block = block.next()
        self._lines = lines
        return first

    def _update_from(self, number: int) -> None:
        """Paint from a line on; all above it has not changed."""
        block = self.text_document.findBlockByNumber(number)
        top = int(self.text_document.documentLayout().blockBoundingRect(block).top()) if number else 0
        self.update(0, top - 1, self.width(), self.height() - top + 1)

    def recolor(self, language: str) -> None:
        """Take over the stage's present look."""
        self._dress()
        self._lines = []
        self.color(language)
        self.update()

    def set_wrapping(self, wraps: bool) -> None:
        """Break long lines, or let them run on."""
        option = self.text_document.defaultTextOption()
        mode = QTextOption.WrapMode
        option.setWrapMode(mode.WrapAtWordBoundaryOrAnywhere if wraps else mode.NoWrap)
        self.text_document.setDefaultTextOption(option)

    def _space_lines(self) -> None:
        line_format = QTextBlockFormat()
        height = QFontInfo(self.stage.look.code_font).pixelSize() * _LINE_SHARE
        line_format.setLineHeight(height, QTextBlockFormat.LineHeightTypes.MinimumHeight.value)
        cursor = QTextCursor(self.text_document)
        cursor.select(QTextCursor.SelectionType.Document)
        cursor.mergeBlockFormat(line_format)

    def _dress(self) -> None:
        super()._dress()
        self.text_document.setDefaultFont(self.stage.look.code_font)


class CodeView(QWidget):
    """Show a code block."""

    height_changed = Signal()

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage
        self._piece = CodePiece("")
        self._pane = CodePane(stage)
        self._scroll = SideScroll(self._pane)
        self._scroll.setParent(self)
        self._label = QLabel(self)
        self._label.setProperty("look", "small")
        self.wrap_button = IconButton(stage, "text-wrap", "Wrap long lines")
        self.copy_button = IconButton(stage, "copy", "Copy code")
        for button in (self.wrap_button, self.copy_button):
            button.setParent(self)
        self.wrap_button.setCheckable(True)
        self.wrap_button.toggled.connect(self._set_wrapping)
        self.copy_button.clicked.connect(self._copy_code)

    def set_piece(self, piece: CodePiece) -> None:
        """Show `piece`; a code that only grew keeps what is on the screen."""
        if piece.language != self._piece.language or not self._label.text():
            self._label.setText(language_label(piece.language))
            self._label.adjustSize()
            self.setAccessibleName(f"Code block: {self._label.text()}")
        self._piece = piece
        self._pane.set_code(piece.code, piece.language)
        self._scroll.fit()

    def settle(self) -> None:
        """Colour the code for good once it is complete."""
        self._pane.color(self._piece.language)
        self._pane.update()

    def restyle(self) -> None:
        """Take over the stage's present look."""
        self._pane.recolor(self._piece.language)
        self.wrap_button.restyle()
        self.copy_button.restyle()
        self._scroll.fit()

    def panes(self) -> Sequence[TextPane]:
        """Return the texts inside."""
        return [self._pane]

    def hasHeightForWidth(self) -> bool:  # noqa: N802 - Qt's name
        """Say that the height follows from the width."""
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802 - Qt's name
        """Return the height with the header."""
        return _HEADER + self._scroll.heightForWidth(width - 2 * _PADDING) + _PADDING - 2

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Place what is inside."""
        super().resizeEvent(event)
        width = self.width()
        inner = width - 2 * _PADDING
        self._label.move(_PADDING, (_HEADER - self._label.height()) // 2 + 1)
        self.copy_button.setGeometry(width - _BUTTON - 4, 3, _BUTTON, _BUTTON)
        self.wrap_button.setGeometry(width - 2 * _BUTTON - 6, 3, _BUTTON, _BUTTON)
        self._scroll.setGeometry(_PADDING, _HEADER, inner, self._scroll.heightForWidth(inner))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 - Qt's signature
        """Paint the card."""
        colors = self._stage.look.colors
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(colors.border), 1))
        painter.setBrush(QColor(colors.code_background))
        box = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.drawRoundedRect(box, RADIUS_CARD, RADIUS_CARD)

    def _copy_code(self) -> None:
        QGuiApplication.clipboard().setText(self._piece.code)
        self.copy_button.confirm()

    def _set_wrapping(self, wraps: bool) -> None:
        self.wrap_button.setToolTip("Don’t wrap long lines" if wraps else "Wrap long lines")
        self._scroll.wraps = wraps
        self._pane.set_wrapping(wraps)
        self._scroll.fit()
        self.height_changed.emit()


def _range(start: int, length: int, color: str) -> QTextLayout.FormatRange:
    span = QTextLayout.FormatRange()
    span.start = start
    span.length = length
    ink = QTextCharFormat()
    ink.setForeground(QColor(color))
    span.format = ink
    return span
