from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.core.messages import Message, Picture, Role, Text

CUP = Picture("a" * 64, "cup.jpg", "image/jpeg", 640, 480, 391)


def _message(*parts: Text | Picture) -> Message:
    return Message("m", "c", None, Role.USER, parts, datetime(2025, 1, 1, tzinfo=UTC))


def test_written_parts_are_joined_and_pictures_kept_in_order() -> None:
    spoon = Picture("b" * 64, "spoon.jpg", "image/jpeg", 1, 1, 1)
    message = _message(CUP, Text("one"), spoon, Text("two"))
    assert message.text == "one\n\ntwo"
    assert message.pictures == (CUP, spoon)


def test_without_parts_there_is_no_text_and_no_picture() -> None:
    assert (_message().text, _message().pictures) == ("", ())


def test_a_message_can_not_be_changed() -> None:
    with pytest.raises(AttributeError):
        _message().error = "x"  # type: ignore[misc]  # what the test is about
