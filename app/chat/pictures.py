"""Pictures on their way into a conversation."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from app.core.errors import AppError, PictureTooLarge, PictureUnreadable
from app.core.events import BugFound, PictureAttached, PictureRefused, Publish
from app.core.messages import Picture
from app.engine.pictures import LONGEST_SIDE, MAX_FILE_BYTES, image_tokens, inspect_picture, make_thumbnail
from app.storage.attachments import AttachmentStore

log = logging.getLogger(__name__)


class PictureDesk:
    """Check and store pictures on a thread of its own, since decoding one may take a second."""

    def __init__(self, attachments: AttachmentStore, publish: Publish) -> None:
        self._attachments = attachments
        self._publish = publish
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pictures")
        self._closed = False

    def attach_file(self, request_id: str, path: Path) -> None:
        """Store the picture in `path`."""
        self._take(request_id, path.name, lambda: read_picture(path))

    def attach_bytes(self, request_id: str, name: str, content: bytes) -> None:
        """Store a picture that has no file."""
        self._take(request_id, name, lambda: content)

    def close(self) -> None:
        """Let the picture at hand end and drop the others; later ones are ignored."""
        self._closed = True
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _take(self, request_id: str, name: str, read: Callable[[], bytes]) -> None:
        if not self._closed:
            self._thread.submit(self._attach, request_id, name, read)

    def _attach(self, request_id: str, name: str, read: Callable[[], bytes]) -> None:
        try:
            content = read()
            facts = inspect_picture(content)
            thumbnail = make_thumbnail(content)
            sha256 = self._attachments.put(content)
        except AppError as error:
            self._publish(PictureRefused(request_id, name, str(error)))
        except Exception as error:
            log.exception("a picture could not be attached")
            self._publish(PictureRefused(request_id, name, "This picture can’t be used."))
            self._publish(BugFound.from_exception(error))
        else:
            picture = Picture(sha256, name, facts.media_type, facts.width, facts.height, facts.tokens)
            self._publish(PictureAttached(request_id, picture, thumbnail))


def cost_of(picture: Picture, longest_side_pixels: int) -> int:
    """Return the tokens that `picture` takes from a model that takes sides of so many pixels; 0: not known."""
    return image_tokens(picture.width, picture.height, longest_side_pixels or LONGEST_SIDE)


def read_picture(path: Path) -> bytes:
    """Return the bytes of the file at `path`. Raises PictureUnreadable, PictureTooLarge."""
    try:
        if path.exists() and not path.is_file():  # reading from a pipe could take for ever
            raise PictureUnreadable(f"“{path.name}” is not a file. Choose a picture file.")
        with path.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise PictureUnreadable(
            f"“{path.name}” can’t be read: {error.strerror or error}. Choose another picture."
        ) from error
    if len(content) > MAX_FILE_BYTES:
        raise PictureTooLarge(f"“{path.name}” is larger than {MAX_FILE_BYTES >> 20} MiB. Use a smaller picture.")
    return content
