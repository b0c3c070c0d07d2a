"""Small versions of stored pictures, read away from the window's thread."""

from __future__ import annotations

import logging
from pathlib import Path

from PySide6.QtCore import QObject, QSize, Qt, QThreadPool, Signal
from PySide6.QtGui import QImage, QImageReader

from app.core.errors import PictureError
from app.engine.pictures import make_thumbnail

log = logging.getLogger(__name__)

_MOST_MIB = 512


def read_picture(path: Path, largest: QSize) -> QImage:
    """Return a picture, upright and no larger than `largest` pixels; an empty one if it can't be read."""
    reader = QImageReader(str(path))
    reader.setAutoTransform(True)
    reader.setAllocationLimit(_MOST_MIB)
    stored = reader.size()
    if stored.isValid():
        turned = bool(reader.transformation().value & 4)  # by a quarter
        bounds = largest.transposed() if turned else largest
        if stored.width() > bounds.width() or stored.height() > bounds.height():
            reader.setScaledSize(stored.scaled(bounds, Qt.AspectRatioMode.KeepAspectRatio))
    image = reader.read()
    return _convert(path, largest) if image.isNull() else image


def _convert(path: Path, largest: QSize) -> QImage:
    """Return a picture of a kind that Qt can't read, such as HEIC and AVIF."""
    try:
        content = make_thumbnail(path.read_bytes(), max(largest.width(), largest.height(), 1))
    except (OSError, PictureError) as error:
        log.info("picture %s can't be shown: %s", path.name, error)
        return QImage()
    scaled = QImage.fromData(content)
    fits = scaled.width() <= largest.width() and scaled.height() <= largest.height()
    return scaled if fits else scaled.scaled(largest, Qt.AspectRatioMode.KeepAspectRatio)


class ThumbnailLoader(QObject):
    """Read pictures one after the other; `loaded` carries the path and the image."""

    loaded = Signal(str, QImage)

    def __init__(self) -> None:
        super().__init__()
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)

    def load(self, path: Path, largest: QSize) -> None:
        """Read the picture at `path`; `loaded` follows."""
        self._pool.start(lambda: self.loaded.emit(str(path), read_picture(path, largest)))

    def close(self) -> None:
        """Forget what is not read yet and wait for the picture under way."""
        self._pool.clear()
        self._pool.waitForDone()
