"""The pictures of a message: rounded thumbnails, and a viewer for one in full size."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPaintEvent, QPen, QPixmap, QResizeEvent
from PySide6.QtWidgets import QAbstractButton, QDialog, QLabel, QVBoxLayout, QWidget

from app.core.messages import Picture
from app.ui.theme import RADIUS_CONTROL
from app.ui.transcript.stage import Stage
from app.ui.transcript.thumbnails import read_picture
from app.ui.units import THIN

_LARGEST = QSize(240, 170)
_LEAST = 48
_GAP = 8


class Thumbnail(QAbstractButton):
    """Show a stored picture small; a click opens it in full size."""

    def __init__(self, stage: Stage, picture: Picture) -> None:
        super().__init__()
        self._stage = stage
        self._picture = picture
        self._path = stage.picture_path(picture)
        self._pixmap = QPixmap()
        self._answered = False
        size = QSize(max(1, picture.width), max(1, picture.height))
        if size.width() > _LARGEST.width() or size.height() > _LARGEST.height():
            size.scale(_LARGEST, Qt.AspectRatioMode.KeepAspectRatio)
        self.setFixedSize(size.expandedTo(QSize(_LEAST, _LEAST)))
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        measures = f"{picture.width} × {picture.height}{THIN}pixels"
        self.setToolTip(f"{picture.name}\n{measures}")
        self.setAccessibleName(f"Picture {picture.name}, {measures}")
        self.clicked.connect(self._open)
        stage.thumbnails.loaded.connect(self._take)
        stage.thumbnails.load(self._path, _LARGEST * 2)

    def is_loaded(self) -> bool:
        """Tell whether the picture is on the screen."""
        return not self._pixmap.isNull()

    def is_broken(self) -> bool:
        """Tell whether the picture could not be read."""
        return self._answered and self._pixmap.isNull()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 - Qt's signature
        """Paint the picture with round corners, or a quiet tile until it is there."""
        colors = self._stage.look.colors
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        box = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        shape = QPainterPath()
        shape.addRoundedRect(box, RADIUS_CONTROL, RADIUS_CONTROL)
        painter.fillPath(shape, QColor(colors.raised))
        if self.is_broken():
            painter.setPen(QColor(colors.text_secondary))
            painter.setFont(self._stage.look.small_font)
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(box.adjusted(6, 6, -6, -6), flags, "This picture can’t be shown.")
        painter.setClipPath(shape)
        if not self._pixmap.isNull():
            painter.drawPixmap(box, self._pixmap, QRectF(self._pixmap.rect()))
        painter.setClipping(False)
        ring = QPen(QColor(colors.accent), 2) if self.hasFocus() else QPen(QColor(colors.border), 1)
        painter.strokePath(shape, ring)

    def _take(self, path: str, image: QImage) -> None:
        if path == str(self._path) and not self._answered:
            self._answered = True
            self._pixmap = QPixmap.fromImage(image)
            self.update()

    def _open(self) -> None:
        viewer = PictureViewer(self._stage, self._picture, self.window())
        viewer.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        viewer.open()


class PictureViewer(QDialog):
    """Show one picture as large as the screen allows; Esc or a click closes it."""

    def __init__(self, stage: Stage, picture: Picture, owner: QWidget) -> None:
        super().__init__(owner)
        self.setWindowTitle(picture.name)
        room = self.screen().availableSize() * 0.9
        image = read_picture(stage.picture_path(picture), room * self.devicePixelRatioF())
        image.setDevicePixelRatio(self.devicePixelRatioF())
        label = QLabel()
        label.setAccessibleName(f"Picture {picture.name}")
        if image.isNull():
            label.setText("This picture can’t be shown.")
            label.setMargin(32)
        else:
            label.setPixmap(QPixmap.fromImage(image))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(label, alignment=Qt.AlignmentFlag.AlignCenter)

    def mouseReleaseEvent(self, event: object) -> None:  # noqa: N802, ARG002 - Qt's signature
        """Close."""
        self.accept()


class PictureRow(QWidget):
    """Set thumbnails in lines."""

    def __init__(self, stage: Stage, pictures: Sequence[Picture]) -> None:
        super().__init__()
        self._thumbnails = [Thumbnail(stage, picture) for picture in pictures]
        for thumbnail in self._thumbnails:
            thumbnail.setParent(self)

    def hasHeightForWidth(self) -> bool:  # noqa: N802 - Qt's name
        """Say that the height follows from the width."""
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802 - Qt's name
        """Place the thumbnails and return the height of their lines."""
        x = y = line = 0
        for thumbnail in self._thumbnails:
            if x and x + thumbnail.width() > width:
                x, y, line = 0, y + line + _GAP, 0
            thumbnail.move(x, y)
            x += thumbnail.width() + _GAP
            line = max(line, thumbnail.height())
        return y + line

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Place the thumbnails."""
        super().resizeEvent(event)
        self.heightForWidth(event.size().width())
