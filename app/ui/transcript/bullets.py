"""Bullets and boxes of lists: Qt's own sit too close to the text and look like another age."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import (
    QColor,
    QFontMetricsF,
    QPainter,
    QPen,
    QTextBlock,
    QTextBlockFormat,
    QTextDocument,
    QTextListFormat,
)

from app.ui.theme import Colors

_CENTRE = 15.0  # pixels from the bullet's middle to the text
_DOT = 2.4
_BOX = 12.0
_Marker = QTextBlockFormat.MarkerType


def paint_bullets(painter: QPainter, document: QTextDocument, visible: QRectF, colors: Colors, depth: int) -> None:
    """Paint a mark before every item of the bullet lists; `depth` counts the lists around the document."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    metrics = QFontMetricsF(document.defaultFont())
    layout = document.documentLayout()
    block = document.begin()
    while block.isValid():
        listed = block.textList()
        if listed is not None and block.layout().lineCount():
            style = listed.format().style()
            box = layout.blockBoundingRect(block)
            if style == QTextListFormat.Style.ListStyleUndefined and box.intersects(visible):
                line = block.layout().lineAt(0)
                middle = box.top() + line.y() + line.ascent() - metrics.xHeight() / 2
                centre = QPointF(block.layout().position().x() + line.x() - _CENTRE, middle)
                _paint_mark(painter, block, centre, colors, depth + listed.format().indent())
        block = block.next()
    painter.restore()


def _paint_mark(painter: QPainter, block: QTextBlock, centre: QPointF, colors: Colors, depth: int) -> None:
    marker = block.blockFormat().marker()
    if marker != _Marker.NoMarker:
        _paint_box(painter, centre, colors, ticked=marker == _Marker.Checked)
        return
    ink = QColor(colors.text_secondary)
    painter.setPen(QPen(ink, 1.2) if depth % 2 == 0 else Qt.PenStyle.NoPen)
    painter.setBrush(Qt.BrushStyle.NoBrush if depth % 2 == 0 else ink)
    painter.drawEllipse(centre, _DOT, _DOT)


def _paint_box(painter: QPainter, centre: QPointF, colors: Colors, *, ticked: bool) -> None:
    box = QRectF(centre.x() - _BOX / 2, centre.y() - _BOX / 2, _BOX, _BOX)
    ink = QColor(colors.accent if ticked else colors.text_secondary)
    painter.setPen(QPen(ink, 1.2))
    painter.setBrush(ink if ticked else Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(box, 3, 3)
    if ticked:
        pen = QPen(QColor(colors.on_accent), 1.6)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        painter.setPen(pen)
        x, y = centre.x(), centre.y()
        painter.drawPolyline([QPointF(x - 3, y), QPointF(x - 0.8, y + 2.4), QPointF(x + 3.2, y - 2.6)])
