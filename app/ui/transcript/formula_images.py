"""Formulas as pictures, sharp at every screen and aligned with the line they stand in."""

from __future__ import annotations

from functools import lru_cache
from math import ceil

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QFontMetricsF, QImage, QPainter, QTextCharFormat, QTextCursor, QTextDocument
from PySide6.QtSvg import QSvgRenderer

from app.ui.markdown.formulas import INK, Formula, typeset
from app.ui.markdown.inline_html import formula_at

FORMULA_SHARE = 1.12  # formulas look small beside a sans-serif text of the same size
_ALIGN = QTextCharFormat.VerticalAlignment


@lru_cache(maxsize=512)
def draw_formula(latex: str, color: str, em: float, ratio: float, descent: float, *, display: bool) -> QImage:
    """Return `latex` drawn at `em` pixels with `ratio` device pixels each. Raises FormulaBroken.

    The picture is padded so that its baseline is where Qt puts it: `descent` pixels (the font's) above the
    lower edge, or in the middle for a formula that reaches deeper.
    """
    formula = typeset(latex, display=display)
    below = formula.descent * em
    above = formula.ascent * em
    if is_deep(formula, em, descent):
        above = below = max(above, below)
    else:
        below = descent
    width, height = ceil(formula.width * em), ceil(above + below)
    image = QImage(ceil(width * ratio), ceil(height * ratio), QImage.Format.Format_ARGB32_Premultiplied)
    image.setDevicePixelRatio(ratio)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    top = height - below - formula.ascent * em
    box = QRectF(0, top, formula.width * em, (formula.ascent + formula.descent) * em)
    QSvgRenderer(QByteArray(formula.svg.replace(INK, color).encode())).render(painter, box)
    painter.end()
    return image


def is_deep(formula: Formula, em: float, descent: float) -> bool:
    """Tell whether a formula reaches below the letters of its line."""
    return formula.descent * em > descent + 0.5


def align_formulas(document: QTextDocument, em: float) -> None:
    """Put every formula of `document` onto the baseline of its line."""
    descent = QFontMetricsF(document.defaultFont()).descent()
    block = document.begin()
    while block.isValid():
        if "\ufffc" in block.text():
            _align_block(document, block.position(), block.text(), em, descent)
        block = block.next()


def _align_block(document: QTextDocument, start: int, text: str, em: float, descent: float) -> None:
    cursor = QTextCursor(document)
    offset = 0  # in UTF-16 units, as Qt counts
    for character in text:
        if character == "\ufffc":
            cursor.setPosition(start + offset)
            cursor.setPosition(start + offset + 1, QTextCursor.MoveMode.KeepAnchor)
            _align(cursor, em, descent)
        offset += 2 if ord(character) > 0xFFFF else 1


def _align(cursor: QTextCursor, em: float, descent: float) -> None:
    image_format = cursor.charFormat().toImageFormat()
    if not image_format.isValid():
        return
    latex, display = formula_at(image_format.name())
    deep = is_deep(typeset(latex, display=display), em, descent)
    image_format.setVerticalAlignment(_ALIGN.AlignMiddle if deep else _ALIGN.AlignBaseline)
    cursor.setCharFormat(image_format)
