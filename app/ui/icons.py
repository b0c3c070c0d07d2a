"""Line icons (Lucide, ISC licence), recoloured from the palette and sharp on every screen."""

from __future__ import annotations

from functools import cache

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from app.core.paths import RESOURCES

_RATIOS = (1.0, 1.5, 2.0, 3.0)
_STROKE = "1.5"


@cache
def draw_pixmap(name: str, color: str, size: int, ratio: float = 1.0) -> QPixmap:
    """Return icon `name` in `color` (`#RRGGBB`), `size` pixels wide at `ratio` device pixels each."""
    pixmap = QPixmap(round(size * ratio), round(size * ratio))
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    QSvgRenderer(QByteArray(_source(name, color))).render(painter, QRectF(pixmap.rect()))
    painter.end()
    pixmap.setDevicePixelRatio(ratio)
    return pixmap


@cache
def draw_icon(name: str, color: str, disabled_color: str = "", size: int = 18) -> QIcon:
    """Return icon `name` for buttons, with a fainter picture for the disabled state."""
    icon = QIcon()
    for ratio in _RATIOS:
        icon.addPixmap(draw_pixmap(name, color, size, ratio))
        if disabled_color:
            icon.addPixmap(draw_pixmap(name, disabled_color, size, ratio), QIcon.Mode.Disabled)
    return icon


def _source(name: str, color: str) -> bytes:
    text = (RESOURCES / "icons" / f"{name}.svg").read_text(encoding="utf-8")
    return text.replace("currentColor", color).replace('stroke-width="2"', f'stroke-width="{_STROKE}"').encode()
