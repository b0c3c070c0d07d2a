"""The pictures of a draft, above the text input."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPainterPath, QPixmap
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from app.chat.pictures import cost_of
from app.core.messages import Picture
from app.ui.appearance import Appearance
from app.ui.controls import ElidedLabel, IconButton, make_label
from app.ui.drafts import Attachment
from app.ui.icons import draw_pixmap
from app.ui.units import THIN, in_tokens

_THUMBNAIL = 44
_CHIP_WIDTH = 272
_REFUSED_WIDTH = 380


class PictureChip(QFrame):
    """Show one picture with its size and cost, or the sentence why it can't be used."""

    def __init__(self, appearance: Appearance, item: Attachment, longest_side_pixels: int) -> None:
        super().__init__()
        self.setObjectName("picture")
        self.setProperty("refused", bool(item.sentence))
        self.setFixedWidth(_REFUSED_WIDTH if item.sentence else _CHIP_WIDTH)
        self.remove_button = IconButton(appearance, "x", f"Remove {item.name}")
        row = QHBoxLayout(self)
        row.setContentsMargins(6, 6, 4, 6)
        row.setSpacing(8)
        row.addWidget(self._make_thumbnail(appearance, item))
        detail = _detail(item.picture, longest_side_pixels)
        words = QVBoxLayout()
        words.setSpacing(0)
        if item.sentence:
            words.addWidget(make_label(item.sentence, "error", wraps=True))
        else:
            words.addWidget(ElidedLabel(item.name))
            words.addWidget(ElidedLabel(detail, "small"))
        row.addLayout(words, 1)
        row.addWidget(self.remove_button, 0, Qt.AlignmentFlag.AlignTop)
        self.setAccessibleName(item.sentence or f"{item.name}, {detail}")

    def _make_thumbnail(self, appearance: Appearance, item: Attachment) -> QLabel:
        label = QLabel()
        label.setFixedSize(_THUMBNAIL, _THUMBNAIL)
        label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        ratio = label.devicePixelRatioF()
        pixmap = QPixmap()
        if item.thumbnail and pixmap.loadFromData(item.thumbnail):
            label.setPixmap(_cover(pixmap, _THUMBNAIL, ratio))
        else:
            name = "triangle-alert" if item.sentence else "image"
            tone = appearance.colors.error if item.sentence else appearance.colors.text_secondary
            label.setPixmap(draw_pixmap(name, tone, 22, ratio))
        return label


class PictureTray(QScrollArea):
    """Show the pictures side by side; `remove_wanted` carries a request's id."""

    remove_wanted = Signal(str)

    def __init__(self, appearance: Appearance) -> None:
        super().__init__()
        self._appearance = appearance
        self._items: tuple[Attachment, ...] = ()
        self._longest_side_pixels = 0
        self.setAccessibleName("Attached pictures")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFixedHeight(76)
        self.hide()
        appearance.changed.connect(self._fill)

    def show_attachments(self, items: Sequence[Attachment]) -> None:
        """Show `items`, or nothing."""
        if tuple(items) != self._items:
            self._items = tuple(items)
            self._fill()

    def set_longest_side(self, pixels: int) -> None:
        """Say how large the model in use takes pictures, on which their cost depends; 0 where that is not known."""
        if pixels != self._longest_side_pixels:
            self._longest_side_pixels = pixels
            self._fill()

    def chips(self) -> list[PictureChip]:
        """Return what is shown for each picture."""
        return self.findChildren(PictureChip)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Ask for one row."""
        return QSize(200, 76)

    def _fill(self) -> None:
        strip = QWidget()
        strip.setObjectName("page")
        row = QHBoxLayout(strip)
        row.setContentsMargins(0, 0, 0, 8)
        row.setSpacing(8)
        for item in self._items:
            chip = PictureChip(self._appearance, item, self._longest_side_pixels)
            chip.remove_button.clicked.connect(self._remover(item.request_id))
            row.addWidget(chip)
        row.addStretch(1)
        old = self.takeWidget()
        if old is not None:
            old.deleteLater()
        self.setWidget(strip)
        self.setVisible(bool(self._items))
        self.horizontalScrollBar().setValue(self.horizontalScrollBar().maximum())

    def _remover(self, request_id: str) -> Callable[[], None]:
        return lambda: self.remove_wanted.emit(request_id)


def _detail(picture: Picture | None, longest_side_pixels: int) -> str:
    if picture is None:
        return "Reading…"
    return f"{picture.width}{THIN}×{THIN}{picture.height} · {in_tokens(cost_of(picture, longest_side_pixels))}"


def _cover(pixmap: QPixmap, size: int, ratio: float) -> QPixmap:
    side = round(size * ratio)
    scaled = pixmap.scaled(
        side,
        side,
        Qt.AspectRatioMode.KeepAspectRatioByExpanding,
        Qt.TransformationMode.SmoothTransformation,
    )
    result = QPixmap(side, side)
    result.fill(Qt.GlobalColor.transparent)
    painter = QPainter(result)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    outline = QPainterPath()
    outline.addRoundedRect(QRectF(0, 0, side, side), 5 * ratio, 5 * ratio)
    painter.setClipPath(outline)
    painter.drawPixmap((side - scaled.width()) // 2, (side - scaled.height()) // 2, scaled)
    painter.end()
    result.setDevicePixelRatio(ratio)
    return result
