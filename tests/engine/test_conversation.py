"""Conversations from files, and what is wrong with those that can't be used."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.core.errors import AppError, ImportFailed, PictureError, PictureTooLarge, PictureUnreadable
from app.core.messages import ReasoningEffort, Role
from app.engine import conversation
from app.engine.conversation import read_conversation, read_file, size_of_picture


def read(content: Any) -> conversation.Conversation:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return read_conversation(raw, lambda path: (len(path.name), 7))


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def image(**where: Any) -> dict[str, Any]:
    return {"type": "image", **where}


def test_a_conversation_is_read() -> None:
    found = read(
        {
            "messages": [
                {"role": "system", "content": [text("Be "), text("kind.")]},
                {"role": "user", "content": "What?"},
                {"role": "assistant", "content": "That.", "thinking": "Hm."},
            ],
            "reasoning_effort": "high",
        }
    )

    assert [(m.role, m.text, m.reasoning) for m in found.messages] == [
        (Role.SYSTEM, "Be kind.", ""),
        (Role.USER, "What?", ""),
        (Role.ASSISTANT, "That.", "Hm."),
    ]
    assert found.effort is ReasoningEffort.HIGH


def test_a_message_is_cut_so_that_pictures_stand_first() -> None:
    found = read({"messages": [user(text("a"), image(size=[3, 4]), image(path="b.png"), text("c"), text("d"))]})

    assert [(m.text, [p.sha256 for p in m.pictures]) for m in found.messages] == [("a", []), ("cd", ["0", "1"])]
    assert found.sizes == ((3, 4), (5, 7))
    assert found.effort is ReasoningEffort.NONE


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "not valid JSON"),
        (b"\xff\xfe\xfd", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        ([], "must be a JSON object"),
        ({}, "no list of “messages”"),
        ({"messages": {}}, "no list of “messages”"),
        ({"messages": ["hello"]}, "Message 1 must be a JSON object"),
        ({"messages": [{"role": "tool", "content": ""}]}, "the “role” must be"),
        ({"messages": [{"role": ["user"], "content": ""}]}, "the “role” must be"),
        ({"messages": [user(), {"role": "user"}]}, "Message 2: “content” must be"),
        ({"messages": [user("hello")]}, "a part of “content” must be a JSON object"),
        ({"messages": [user(text(5))]}, "a part of “content” must be"),  # type: ignore[arg-type]  # on purpose
        ({"messages": [user({"type": "audio"})]}, "a part of “content” must be"),
        ({"messages": [{"role": "assistant", "content": [image(size=[2, 2])]}]}, "a part of “content” must be"),
        ({"messages": [user(image())]}, "an image needs"),
        ({"messages": [user(image(size=[2, 0]))]}, "an image needs"),
        ({"messages": [user(image(size=[2, True]))]}, "an image needs"),
        ({"messages": [user(image(size=[2, 1 << 31]))]}, "an image needs"),
        ({"messages": [user(image(size=[2.5, 2]))]}, "an image needs"),
        ({"messages": [user(image(size=[2]))]}, "an image needs"),
        ({"messages": [user(image(path=""))]}, "an image needs"),
        ({"messages": [user(image(path="a\0b"))]}, "an image needs"),
        ({"messages": [user(image(path="a.png", size=[2, 2]))]}, "an image needs"),
        ({"messages": [{"role": "user", "content": "", "thinking": "hm"}]}, "“thinking” must be text"),
        ({"messages": [{"role": "assistant", "content": "", "thinking": ["hm"]}]}, "“thinking” must be text"),
        ({"messages": [], "reasoning_effort": "medium"}, "must be none or high"),
        ({"messages": [], "reasoning_effort": {}}, "must be none or high"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(content: Any, words: str) -> None:
    with pytest.raises(ImportFailed, match=words) as caught:
        read(content)
    assert str(caught.value).endswith(".")


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["user", "assistant", "text", "image", "high"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["messages", "role", "content", "type", "text", "path", "size", "thinking"]),
            inner,
            max_size=5,
        )
    ),
)


@given(content=st.dictionaries(st.sampled_from(["messages", "reasoning_effort"]), anything) | anything)
def test_whatever_a_file_holds_nothing_but_app_errors_come(content: Any) -> None:
    with suppress(AppError):
        read(content)


def test_a_picture_is_measured_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(tmp_path / "a.jpg", exif=exif)

    assert size_of_picture(tmp_path / "a.jpg") == (30, 40)


def test_files_that_can_not_be_read_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_bytes(bytes(20))
    for path in (tmp_path / "gone.json", tmp_path):
        with pytest.raises(ImportFailed, match=path.name):
            read_file(path)
        with pytest.raises(PictureUnreadable, match=path.name):
            size_of_picture(path)
    with pytest.raises(PictureError):
        size_of_picture(tmp_path / "a.txt")
    monkeypatch.setattr(conversation, "_MAX_BYTES", 10)
    monkeypatch.setattr(conversation, "MAX_FILE_BYTES", 10)
    with pytest.raises(ImportFailed, match="larger than"):
        read_file(tmp_path / "a.txt")
    with pytest.raises(PictureTooLarge, match="larger than"):
        size_of_picture(tmp_path / "a.txt")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes among its files")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ImportFailed, match="not a file"):
        read_file(tmp_path / "pipe")
