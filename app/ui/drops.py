"""What a paste or a drop holds, as far as the program takes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QBuffer, QIODevice, QMimeData, QObject, QThreadPool, Signal
from PySide6.QtGui import QImage

_ENCODED = (("image/png", "png"), ("image/jpeg", "jpg"), ("image/webp", "webp"))
MODEL_SUFFIX = ".gguf"
CHAT_SUFFIX = ".json"


@dataclass(frozen=True)
class Given:
    """Hold what was pasted or dropped: model files, exported chats, other files, and at most one bare image.

    `content` is the image as it was encoded, `image` one that has to be encoded first. `is_remote` says
    that there were only addresses of other machines, which are never fetched.
    """

    models: tuple[Path, ...] = ()
    chats: tuple[Path, ...] = ()
    files: tuple[Path, ...] = ()
    content: bytes = b""
    content_suffix: str = "png"
    image: QImage | None = None
    is_remote: bool = False

    @property
    def is_empty(self) -> bool:
        """Say whether there is nothing here but text, if that."""
        return not (self.models or self.chats or self.files or self.content or self.image or self.is_remote)


def read_given(mime: QMimeData) -> Given:
    """Return what `mime` holds besides text; plain text beside an image means that text is meant."""
    paths = [Path(url.toLocalFile()) for url in mime.urls() if url.isLocalFile()]
    if paths:
        models = tuple(path for path in paths if path.suffix.lower() == MODEL_SUFFIX)
        chats = tuple(path for path in paths if path.suffix.lower() == CHAT_SUFFIX)
        return Given(models, chats, tuple(path for path in paths if path not in models and path not in chats))
    has_image = mime.hasImage() or any(mime.hasFormat(media_type) for media_type, _ in _ENCODED)
    if has_image and (mime.hasUrls() or not mime.hasFormat("text/plain")):
        return _read_image(mime)
    return Given(is_remote=mime.hasUrls() and mime.hasFormat("text/uri-list"))


def _read_image(mime: QMimeData) -> Given:
    for media_type, suffix in _ENCODED:
        content = bytes(mime.data(media_type).data())
        if content:
            return Given(content=content, content_suffix=suffix)
    image = mime.imageData()
    return Given(image=image) if isinstance(image, QImage) and not image.isNull() else Given()


class PictureEncoder(QObject):
    """Turn bare images into PNG on another thread; `encoded` carries a request's id and the bytes."""

    encoded = Signal(str, bytes)

    def encode(self, request_id: str, image: QImage) -> None:
        """Encode `image`; emits `encoded`."""
        QThreadPool.globalInstance().start(lambda: self.encoded.emit(request_id, to_png(image)))


def to_png(image: QImage) -> bytes:
    """Return `image` as PNG."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")  # type: ignore[call-overload]  # PySide6's stubs lack the device form
    return bytes(buffer.data().data())
