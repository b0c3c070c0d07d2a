from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from app.core.errors import ExportFailed
from app.core.messages import (
    Conversation,
    ConversationSummary,
    Message,
    MessageState,
    Picture,
    ReasoningEffort,
    Text,
)
from app.storage.attachments import AttachmentStore
from app.storage.export_markdown import enclosed, export_markdown, fenced
from tests.storage.samples import NOON, answer, message

SUMMARY = ConversationSummary("c", "A *cup* #1", NOON, NOON)


def conversation(*messages: Message) -> Conversation:
    return Conversation(SUMMARY, messages)


def headings(text: str) -> list[str]:
    tokens = MarkdownIt("commonmark").parse(text)
    return [
        tokens[place + 1].content
        for place, token in enumerate(tokens)
        if token.type == "heading_open" and token.level == 0
    ]


def test_an_export_has_everything_in_order(tmp_path: Path, attachments: AttachmentStore) -> None:
    sha256 = attachments.put(b"jpeg bytes")
    picture = Picture(sha256, "my cup (1).JPG", "image/jpeg", 640, 480, 391)
    question = message("c", parts=(picture, Text("What is this?\r\n\r\n    indented")))
    code = "A cup:\n\n```python\nprint('<b>*x*</b>')\n```"
    reply = answer(
        "c",
        question,
        code,
        reasoning="It has *a handle*",
        effort=ReasoningEffort.HIGH,
        model_name="Mistral_Small_4",
        state=MessageState.STOPPED,
    )
    target = tmp_path / "Über 100%.md"
    export_markdown(conversation(question, reply), target, attachments)
    text = target.read_bytes().decode()
    assert text == (
        "# A \\*cup\\* \\#1\n\n*2025-06-01 12:00 UTC*\n\n"
        "## You\n\n*2025-06-01 12:00 UTC*\n\n"
        "![my cup (1).JPG](%C3%9Cber%20100%25_files/my%20cup%20%281%29.jpg)\n\n"
        "What is this?\r\n\r\n    indented\n\n"
        "## Mistral\\_Small\\_4\n\n*2025-06-01 12:00 UTC, thinking*\n\n"
        "<details>\n<summary>Reasoning</summary>\n\nIt has *a handle*\n\n</details>\n\n"
        f"{code}\n\n*Stopped.*\n"
    )
    assert (tmp_path / "Über 100%_files" / "my cup (1).jpg").read_bytes() == b"jpeg bytes"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "attachments",
        "Über 100%.md",
        "Über 100%_files",
    ]


def test_exports_have_the_usual_rights(tmp_path: Path, attachments: AttachmentStore) -> None:
    ordinary = tmp_path / "ordinary"
    ordinary.write_text("x")
    export_markdown(conversation(message("c")), tmp_path / "x.md", attachments)
    assert (tmp_path / "x.md").stat().st_mode == ordinary.stat().st_mode


def test_pictures_get_safe_names_of_their_own(tmp_path: Path, attachments: AttachmentStore) -> None:
    names = ["../../evil.png", "cup.png", "CUP.png", "", "con", "a](javascript:x)", "x" * 500]
    pictures = [
        Picture(attachments.put(str(number).encode()), name, "image/png", 1, 1, 1) for number, name in enumerate(names)
    ]
    same_again = Picture(pictures[1].sha256, "other name.png", "image/png", 1, 1, 1)
    target = tmp_path / "out" / "x.md"
    target.parent.mkdir()
    export_markdown(conversation(message("c", parts=(*pictures, same_again))), target, attachments)
    assert sorted(path.name for path in target.parent.iterdir()) == ["x.md", "x_files"]
    written = {path.name for path in (target.parent / "x_files").iterdir()}
    assert {"evil.png", "cup.png", "CUP-2.png", "Picture.png", "con_.png"} <= written
    assert len(written) == len(names)
    images = [
        child.attrs["src"]
        for token in MarkdownIt("commonmark").parse(target.read_text())
        for child in token.children or []
        if child.type == "image"
    ]
    assert len(images) == len(names) + 1
    for source, picture in zip(images, (*pictures, same_again), strict=True):
        assert (target.parent / unquote(str(source))).read_bytes() == attachments.read(picture.sha256)


def test_a_lost_picture_does_not_keep_the_rest_from_being_exported(
    tmp_path: Path, attachments: AttachmentStore
) -> None:
    lost = Picture("a" * 64, "lost.png", "image/png", 1, 1, 1)
    export_markdown(conversation(message("c", parts=(lost, Text("still here")))), tmp_path / "x.md", attachments)
    text = (tmp_path / "x.md").read_text()
    assert "*Picture missing: lost.png*\n\nstill here" in text
    assert not (tmp_path / "x_files").exists()


def test_exporting_again_replaces_the_file_and_keeps_what_else_is_there(
    tmp_path: Path, attachments: AttachmentStore
) -> None:
    picture = Picture(attachments.put(b"new"), "cup.png", "image/png", 1, 1, 1)
    folder = tmp_path / "x_files"
    folder.mkdir()
    (folder / "cup.png").write_bytes(b"someone else's")
    (tmp_path / "x.md").write_text("old")
    for _ in range(2):
        export_markdown(conversation(message("c", parts=(picture,))), tmp_path / "x.md", attachments)
        assert (folder / "cup.png").read_bytes() == b"someone else's"
        assert {path.name for path in folder.iterdir()} == {"cup.png", "cup-2.png"}
        assert "x_files/cup-2.png" in (tmp_path / "x.md").read_text()


@pytest.mark.parametrize("failing_call", [1, 3])
def test_a_full_disk_leaves_the_old_export_and_nothing_new(
    tmp_path: Path, attachments: AttachmentStore, monkeypatch: pytest.MonkeyPatch, failing_call: int
) -> None:
    picture = Picture(attachments.put(b"new"), "cup.png", "image/png", 1, 1, 1)
    (tmp_path / "x.md").write_text("old")
    calls = []

    def no_room(handle: int) -> None:
        calls.append(handle)
        if len(calls) == failing_call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(ExportFailed, match=r"can't export the conversation: there is no room left"):
        export_markdown(conversation(message("c", parts=(picture,))), tmp_path / "x.md", attachments)
    assert (tmp_path / "x.md").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["attachments", "x.md"]


def test_a_place_that_can_not_be_used_is_explained(tmp_path: Path, attachments: AttachmentStore) -> None:
    with pytest.raises(ExportFailed, match="does not exist"):
        export_markdown(conversation(message("c")), tmp_path / "missing" / "x.md", attachments)
    assert not (tmp_path / "missing").exists()
    (tmp_path / "folder.md").mkdir()
    with pytest.raises(ExportFailed, match="is a folder"):
        export_markdown(conversation(message("c")), tmp_path / "folder.md", attachments)
    with pytest.raises(ExportFailed, match="too long"):
        export_markdown(conversation(message("c")), tmp_path / f"{'x' * 300}.md", attachments)


LEAKY = [
    "```python\nprint(1)",
    "~~~~\ncut off",
    "````md\n```\ninner\n```",
    "> ```\n> quoted",
    "- item\n  ```\n  in a list",
    "<!-- comment",
    "<script>\nx",
    "<pre>\n\nx",
    "<?php",
    "<![CDATA[ x",
    "<!DOCTYPE",
    "    indented\n\n```",
]


@pytest.mark.parametrize("text", LEAKY)
def test_what_a_message_leaves_open_does_not_swallow_the_next(
    tmp_path: Path, attachments: AttachmentStore, text: str
) -> None:
    question = message("c", text)
    reply = answer("c", question, "fine", reasoning=text)
    export_markdown(conversation(question, reply, message("c", "last", reply)), tmp_path / "x.md", attachments)
    exported = (tmp_path / "x.md").read_text()
    assert headings(exported) == ["A \\*cup\\* \\#1", "You", "Assistant", "You"]
    assert exported.count(text) == 2


@pytest.mark.parametrize(
    "text", ["plain", "```\nclosed\n```", "- list\n- more", "a\n\n    code", "| a |\n|---|\n| 1 |", "$$x$$"]
)
def test_what_is_closed_is_written_as_it_is(text: str) -> None:
    assert enclosed(text) == text


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(["```", "~~~", "````", "<!--", "-->", "<pre>", "> ", "- ", "x", "\n", "    ", "<?", "`"]),
        max_size=12,
    )
)
def test_no_text_swallows_what_follows(pieces: list[str]) -> None:
    text = "".join(pieces)
    tokens = MarkdownIt("commonmark").parse(f"{enclosed(text)}\n\n# Next\n")
    assert [token.type for token in tokens[-3:]] == ["heading_open", "inline", "heading_close"]
    assert tokens[-3].level == 0


def test_reasoning_can_not_unfold_itself(tmp_path: Path, attachments: AttachmentStore) -> None:
    reasoning = "Use </details> and ```` four"
    reply = answer("c", message("c"), "fine", reasoning=reasoning)
    export_markdown(conversation(reply), tmp_path / "x.md", attachments)
    exported = (tmp_path / "x.md").read_text()
    assert f"`````text\n{reasoning}\n`````" in exported
    assert fenced("x") == "```text\nx\n```"
    assert len(re.findall("^</details>", exported, re.MULTILINE)) == 1


def test_how_an_answer_ended_is_said(tmp_path: Path, attachments: AttachmentStore) -> None:
    endings = {
        MessageState.FAILED: "*Failed: no \\*memory\\*.*",
        MessageState.INTERRUPTED: "*Interrupted.*",
        MessageState.GROWING: "*Interrupted.*",
        MessageState.STOPPED: "*Stopped.*",
    }
    for state, ending in endings.items():
        reply = answer("c", message("c"), "some", state=state, error="no *memory*.")
        export_markdown(conversation(reply), tmp_path / "x.md", attachments)
        assert (tmp_path / "x.md").read_text().endswith(f"some\n\n{ending}\n")
