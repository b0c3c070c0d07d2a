"""What the person has written but not sent, kept for each chat while the program runs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from app.core.events import PictureAttached, PictureRefused
from app.core.messages import Picture

NEW_CHAT = ""  # the key of a chat that has no id yet


@dataclass(frozen=True, slots=True)
class Attachment:
    """Hold one picture of a draft: being read, ready (`picture`) or refused (`sentence`)."""

    request_id: str
    name: str
    picture: Picture | None = None
    thumbnail: bytes = b""
    sentence: str = ""

    @property
    def is_reading(self) -> bool:
        """Say whether it is neither ready nor refused yet."""
        return self.picture is None and not self.sentence


@dataclass(frozen=True, slots=True)
class Draft:
    """Hold the text and the pictures of an unsent message."""

    text: str = ""
    attachments: tuple[Attachment, ...] = ()

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Return the pictures that can be sent."""
        return tuple(item.picture for item in self.attachments if item.picture)

    @property
    def is_reading(self) -> bool:
        """Say whether a picture is still being read."""
        return any(item.is_reading for item in self.attachments)

    @property
    def can_be_sent(self) -> bool:
        """Say whether there is something to send and all of it is there."""
        return not self.is_reading and bool(self.text.strip() or self.pictures)


@dataclass(slots=True)
class DraftShelf:
    """Keep the drafts of all chats by their ids."""

    drafts: dict[str, Draft] = field(default_factory=dict)

    def take(self, key: str) -> Draft:
        """Return the draft of chat `key`."""
        return self.drafts.get(key, Draft())

    def put(self, key: str, draft: Draft) -> None:
        """Keep `draft` for chat `key`."""
        self.drafts[key] = draft

    def move(self, key: str, new_key: str) -> None:
        """Give the draft of a chat that just got its id to that id."""
        self.drafts[new_key] = self.drafts.pop(key, Draft())

    def settle(self, event: PictureAttached | PictureRefused) -> None:
        """Put a picture that was read, or the reason why not, into the draft that waits for it."""
        for key, draft in self.drafts.items():
            items = tuple(_settled(item, event) for item in draft.attachments)
            if items != draft.attachments:
                self.drafts[key] = replace(draft, attachments=items)


def _settled(item: Attachment, event: PictureAttached | PictureRefused) -> Attachment:
    if item.request_id != event.request_id:
        return item
    if isinstance(event, PictureRefused):
        return replace(item, sentence=event.sentence)
    return replace(item, name=event.picture.name, picture=event.picture, thumbnail=event.thumbnail)
