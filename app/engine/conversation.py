"""A conversation written down as JSON, as `solo render` takes it."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.core.errors import ImportFailed, PictureTooLarge, PictureUnreadable
from app.core.messages import ReasoningEffort, Role
from app.engine.pictures import MAX_FILE_BYTES, inspect_picture
from app.engine.protocol import PictureFile, PromptMessage

_MAX_BYTES = 64 << 20
_LONGEST_SIDE = 1 << 31

Size = tuple[int, int]
_Piece = tuple[str, tuple[PictureFile, ...]]  # a text and the pictures before it


@dataclass(frozen=True, slots=True)
class Conversation:
    """Hold what a file says; `sizes` are (width, height) of the pictures, which bear their numbers for hashes."""

    messages: tuple[PromptMessage, ...]
    effort: ReasoningEffort
    sizes: tuple[Size, ...]


def read_file(path: Path) -> bytes:
    """Return what a conversation's file holds. Raises ImportFailed."""
    try:
        content = _read(path, _MAX_BYTES)
    except OSError as cause:
        raise ImportFailed(f"{path.name} can't be read: {cause.strerror or cause}. Choose another file.") from cause
    if len(content) > _MAX_BYTES:
        raise ImportFailed(f"{path.name} is larger than {_MAX_BYTES >> 20} MiB. Use a shorter conversation.")
    return content


def size_of_picture(path: Path) -> Size:
    """Return the size of the picture in a file, upright. Raises PictureError."""
    try:
        content = _read(path, MAX_FILE_BYTES)
    except OSError as cause:
        raise PictureUnreadable(f"{path.name} can't be read: {cause.strerror or cause}.") from cause
    if len(content) > MAX_FILE_BYTES:
        raise PictureTooLarge(f"{path.name} is larger than {MAX_FILE_BYTES >> 20} MiB. Use a smaller picture.")
    info = inspect_picture(content)
    return info.width, info.height


def _read(path: Path, limit_bytes: int) -> bytes:
    """Return a file's bytes, at most one more than the limit. Raises OSError."""
    if path.exists() and not path.is_file():  # reading from a pipe could take for ever
        raise OSError(errno.EINVAL, "it is not a file")
    with path.open("rb") as stream:
        return stream.read(limit_bytes + 1)


def read_conversation(raw: bytes, size_of: Callable[[Path], Size]) -> Conversation:
    """Return the conversation in `raw`; `size_of` looks at a picture's file. Raises ImportFailed, PictureError."""
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError) as cause:
        raise ImportFailed("The conversation is not valid JSON. Correct the file.") from cause
    reader = _Reader(size_of)
    fields = _object(content, "The conversation")
    listed = fields.get("messages")
    if not isinstance(listed, list):
        raise ImportFailed("The conversation has no list of “messages”. Add it to the file.")
    messages = [part for number, one in enumerate(listed, 1) for part in reader.read_message(one, number)]
    return Conversation(tuple(messages), _effort(fields.get("reasoning_effort", "none")), tuple(reader.sizes))


@dataclass(slots=True)
class _Reader:
    """Read messages one after the other and collect the sizes of their pictures."""

    size_of: Callable[[Path], Size]
    sizes: list[Size] = field(default_factory=list)

    def read_message(self, raw: Any, number: int) -> list[PromptMessage]:
        """Return a message in as many pieces as it takes for pictures to stand first in each."""
        where = f"Message {number}"
        fields = _object(raw, where)
        role = _role(fields.get("role"), where)
        thinking = fields.get("thinking")
        if thinking is not None and (not isinstance(thinking, str) or role is not Role.ASSISTANT):
            raise ImportFailed(f"{where}: “thinking” must be text, and only an assistant has it. Correct the file.")
        pieces = self._read_content(fields.get("content"), role, where)
        return [
            PromptMessage(role, text, pictures, (thinking or "") if place == 0 else "")
            for place, (text, pictures) in enumerate(pieces or [("", ())])
        ]

    def _read_content(self, content: Any, role: Role, where: str) -> list[_Piece]:
        if isinstance(content, str):
            return [(content, ())]
        if not isinstance(content, list):
            raise ImportFailed(f"{where}: “content” must be text or a list of parts. Correct the file.")
        pieces: list[_Piece] = []
        for raw in content:
            part = _object(raw, f"{where}: a part of “content”")
            text, pictures = pieces[-1] if pieces else ("", ())
            match part.get("type"):
                case "text" if isinstance(part.get("text"), str):
                    pieces[-1:] = [(text + part["text"], pictures)]
                case "image" if role is Role.USER:
                    picture = PictureFile(Path(), str(len(self.sizes)))
                    self.sizes.append(self._size(part, where))
                    pieces = [*pieces, ("", (picture,))] if text else [*pieces[:-1], ("", (*pictures, picture))]
                case _:
                    raise ImportFailed(
                        f"{where}: a part of “content” must be a text, or, from a user, an image. Correct the file."
                    )
        return pieces

    def _size(self, part: dict[str, Any], where: str) -> Size:
        match part:
            case {"size": [int(width), int(height)]} if "path" not in part:
                if all(type(side) is int and 0 < side < _LONGEST_SIDE for side in (width, height)):
                    return width, height
            case {"path": str(path)} if path and "\0" not in path and "size" not in part:
                return self.size_of(Path(path))
        raise ImportFailed(
            f"{where}: an image needs a “path”, or a “size” of width and height in pixels. Correct the file."
        )


def _object(raw: Any, what: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise ImportFailed(f"{what} must be a JSON object. Correct the file.")
    return raw


def _role(raw: Any, where: str) -> Role:
    try:
        return Role(raw)
    except ValueError as cause:
        raise ImportFailed(f"{where}: the “role” must be system, user or assistant. Correct the file.") from cause


def _effort(raw: Any) -> ReasoningEffort:
    try:
        return ReasoningEffort(raw)
    except ValueError as cause:
        raise ImportFailed("“reasoning_effort” must be none or high. Correct the file.") from cause
