from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.storage.attachments import AttachmentStore
from app.storage.conversations import ConversationStore
from app.storage.opening import open_store


@pytest.fixture
def database_path(tmp_path: Path) -> Path:
    return tmp_path / "Dätä 数据" / "conversations.sqlite3"


@pytest.fixture
def store(database_path: Path) -> Iterator[ConversationStore]:
    opened, notice = open_store(database_path)
    assert notice is None
    yield opened
    opened.close()


@pytest.fixture
def attachments(tmp_path: Path) -> AttachmentStore:
    return AttachmentStore(tmp_path / "attachments")
