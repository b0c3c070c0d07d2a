"""Write a conversation as a Markdown file, with its pictures in a folder beside it."""

from __future__ import annotations

import logging
import mimetypes
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from markdown_it import MarkdownIt

from app.core.errors import ExportFailed, StorageError
from app.core.files import write_atomically
from app.core.messages import Conversation, Message, MessageState, Part, Picture, ReasoningEffort, Role, Text
from app.core.titles import suggest_file_name
from app.storage.attachments import AttachmentStore
from app.storage.faults import file_sentence
from app.storage.rows import clean

log = logging.getLogger(__name__)

EXPORT_MODE = 0o666  # less the person's umask: an export is theirs to share

_SENTINEL = "solo-end-of-message"
_FENCE = re.compile(r"`{3,}|~{3,}")
_HTML_ENDS = ("-->", "?>", "]]>", ">", "</script>", "</pre>", "</style>", "</textarea>")
_SPECIAL = re.compile(r"([\\`*_\[\]<>#&!|~$])")


def export_markdown(conversation: Conversation, target: Path, attachments: AttachmentStore) -> None:
    """Write `target` (replaced if it is there) and, for pictures, files in the folder `NAME_files` beside it.

    Texts are written as they are, so that they render as in the window. Raises ExportFailed; then nothing
    new is left behind.
    """
    pictures = _PictureFolder(target, attachments)
    try:
        if not target.parent.is_dir():
            raise FileNotFoundError(2, "folder missing", str(target.parent))
        text = "\n".join(_document(conversation, pictures))
        write_atomically(target, clean(text).encode(), mode=EXPORT_MODE)
    except OSError as error:
        pictures.undo()
        raise ExportFailed(file_sentence(error, "export the conversation", target)) from error


# --- the text -----------------------------------------------------------------------------------


def _document(conversation: Conversation, pictures: _PictureFolder) -> Iterator[str]:
    summary = conversation.summary
    yield f"# {_escaped(summary.title) or 'Conversation'}\n"
    yield f"*{summary.created_at:%Y-%m-%d %H:%M} UTC*\n"
    for message in conversation.messages:
        yield from _message(message, pictures)


def _message(message: Message, pictures: _PictureFolder) -> Iterator[str]:
    yield f"## {_author(message)}\n"
    notes = [f"{message.created_at:%Y-%m-%d %H:%M} UTC"]
    if message.effort is ReasoningEffort.HIGH:
        notes.append("thinking")
    yield f"*{', '.join(notes)}*\n"
    if message.reasoning.strip():
        yield f"<details>\n<summary>Reasoning</summary>\n\n{_folded(message.reasoning)}\n\n</details>\n"
    for part in message.parts:
        yield _part(part, pictures) + "\n"
    if ending := _ending(message):
        yield f"*{ending}*\n"


def _author(message: Message) -> str:
    match message.role:
        case Role.USER:
            return "You"
        case Role.SYSTEM:
            return "System prompt"
        case Role.ASSISTANT:
            return _escaped(message.model_name) or "Assistant"


def _part(part: Part, pictures: _PictureFolder) -> str:
    if isinstance(part, Text):
        return enclosed(part.text)
    link = pictures.add(part)
    name = _escaped(part.name) or "Picture"
    return f"![{name}]({link})" if link else f"*Picture missing: {name}*"


def _ending(message: Message) -> str:
    match message.state:
        case MessageState.STOPPED:
            return "Stopped."
        case MessageState.FAILED:
            return _escaped(f"Failed: {message.error}" if message.error else "Failed.")
        case MessageState.INTERRUPTED | MessageState.GROWING:
            return "Interrupted."
        case MessageState.COMPLETE:
            return ""


def _escaped(text: str) -> str:
    """Return plain text on one line, with nothing in it that Markdown would take for markup."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


# --- keeping one text apart from the next ---------------------------------------------------------


def enclosed(text: str) -> str:
    """Return `text` with what it opened closed, so that what follows it in the file is not swallowed.

    An answer that was cut off inside a code block is the usual case.
    """
    if not _swallows(text):
        return text
    for end in _possible_ends(text):
        closed = f"{text.rstrip(chr(10))}\n{end}"
        if not _swallows(closed):
            return closed
    return fenced(text)


def fenced(text: str) -> str:
    """Return `text` as a code block, with a fence longer than any in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _folded(reasoning: str) -> str:
    """Return reasoning that can't end the block it is folded into."""
    return fenced(reasoning) if re.search(r"</?(details|summary)", reasoning, re.IGNORECASE) else enclosed(reasoning)


def _swallows(text: str) -> bool:
    """Say whether a paragraph after `text` would become a part of it."""
    tokens = MarkdownIt("commonmark").parse(f"{text}\n\n{_SENTINEL}\n")
    if len(tokens) < 3:
        return True
    opening, inline, _ = tokens[-3:]
    return opening.type != "paragraph_open" or opening.level != 0 or inline.content != _SENTINEL


def _possible_ends(text: str) -> Iterator[str]:
    fences = _FENCE.findall(text)
    yield from dict.fromkeys(reversed(fences))
    yield from _HTML_ENDS


# --- the pictures ---------------------------------------------------------------------------------


class _PictureFolder:
    """Write pictures beside an export; what lies there already is neither changed nor removed."""

    def __init__(self, target: Path, attachments: AttachmentStore) -> None:
        self._folder = target.with_name(f"{target.stem}_files")
        self._attachments = attachments
        self._links: dict[str, str] = {}
        self._taken: set[str] = set()
        self._written: list[Path] = []
        self._made_folder = False

    def add(self, picture: Picture) -> str | None:
        """Write a picture once and return its link, or None where its original is lost. Raises OSError."""
        if picture.sha256 not in self._links:
            try:
                content = self._attachments.read(picture.sha256)
            except StorageError:
                log.info("a picture can't be exported", exc_info=True)
                return None
            path = self._write(picture, content)
            self._links[picture.sha256] = f"{quote(self._folder.name)}/{quote(path.name)}"
        return self._links[picture.sha256]

    def undo(self) -> None:
        """Remove what was written, as far as possible."""
        try:
            for path in self._written:
                path.unlink(missing_ok=True)
            if self._made_folder:
                self._folder.rmdir()
        except OSError:
            log.info("%s can't be cleaned up", self._folder, exc_info=True)

    def _write(self, picture: Picture, content: bytes) -> Path:
        if not self._folder.is_dir():
            self._folder.mkdir()
            self._made_folder = True
        stem = suggest_file_name(Path(picture.name).stem, "Picture")
        extension = _extension(picture.media_type)
        path = self._folder / f"{stem}{extension}"
        number = 2
        while path.name.casefold() in self._taken or (path.exists() and not _holds(path, content)):
            path = self._folder / f"{stem}-{number}{extension}"
            number += 1
        self._taken.add(path.name.casefold())
        if not path.exists():
            self._written.append(path)
            write_atomically(path, content, mode=EXPORT_MODE)
        return path


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content


def _extension(media_type: str) -> str:
    known = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "image/gif": ".gif"}
    known |= {"image/heif": ".heic", "image/avif": ".avif"}  # not known to every Python
    return known.get(media_type) or mimetypes.guess_extension(media_type) or ".bin"
