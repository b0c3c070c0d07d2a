"""Pictures on their way into a conversation, good ones and others."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from app.core.events import BugFound, ConversationOpened, PictureAttached, PictureRefused, TurnStarted
from app.core.messages import Picture, Text
from app.engine.pictures import MAX_FILE_BYTES
from app.engine.protocol import GenerateRequest
from tests.chat.stage import FAST, Stage


def png(width: int = 600, height: int = 300) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(target, "PNG")
    return target.getvalue()


def attached(stage: Stage, content: bytes, name: str = "Pasted picture.png") -> Picture:
    stage.service.attach_bytes("paste", name, content)
    return stage.recorder.wait_for(PictureAttached).picture


def test_a_file_becomes_a_stored_picture_with_a_thumbnail(stage: Stage) -> None:
    path = stage.root / "Ünï cöde.png"
    path.write_bytes(png())
    stage.service.attach_file("request 1", path)
    event = stage.recorder.wait_for(PictureAttached)
    sha256 = hashlib.sha256(png()).hexdigest()
    assert event.request_id == "request 1"
    assert event.picture == Picture(sha256, "Ünï cöde.png", "image/png", 600, 300, 22 * 11 + 11)
    assert stage.service.picture_path(event.picture).read_bytes() == png()
    with Image.open(io.BytesIO(event.thumbnail)) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("PNG", (256, 128))


def test_a_pasted_picture_is_stored_under_the_name_it_was_given(stage: Stage) -> None:
    picture = attached(stage, png(), "Pasted picture.png")
    assert picture.name == "Pasted picture.png"
    assert stage.service.picture_path(picture).read_bytes() == png()


def test_the_same_picture_twice_is_stored_once(stage: Stage) -> None:
    first, second = attached(stage, png(), "a.png"), attached(stage, png(), "b.png")
    assert first.sha256 == second.sha256
    assert len([path for path in stage.paths.attachments.rglob("*") if path.is_file()]) == 1


def test_a_picture_goes_to_the_model_before_the_text_and_stays_in_the_chat(stage: Stage) -> None:
    picture = attached(stage, png())
    answer = stage.ask("What is this?", pictures=(picture,))
    request = next(request for request in stage.requests if request.request_id == answer.id)
    assert isinstance(request, GenerateRequest)
    (message,) = request.messages
    assert message.text == "What is this?"
    assert [(file.path, file.sha256) for file in message.pictures] == [
        (stage.service.picture_path(picture), picture.sha256)
    ]
    assert answer.stats is not None
    assert answer.stats.image_tokens == 10
    stage.service.open_conversation(answer.conversation_id)
    question = stage.recorder.wait_for(ConversationOpened).conversation.messages[0]
    assert question.parts == (picture, Text("What is this?"))


def test_a_picture_alone_is_a_question(stage: Stage) -> None:
    picture = attached(stage, png())
    answer = stage.ask("", pictures=(picture,))
    assert [summary.title for summary in stage.settle().summaries] == ["Picture"]
    assert stage.prompt_of(answer.id) == [("user", "")]


def test_editing_keeps_the_pictures(stage: Stage) -> None:
    picture = attached(stage, png())
    started = stage.begin("What?", pictures=(picture,))
    stage.finished(started)
    stage.service.edit(started.question.id, "What colour?", FAST)
    question = stage.recorder.wait_for(TurnStarted).question
    assert question.parts == (picture, Text("What colour?"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"not a picture", "not a picture"),
        (png()[:200], "damaged"),
        (b"<svg xmlns='x'></svg>", "SVG"),
    ],
)
def test_what_is_no_good_picture_is_refused_with_a_sentence(stage: Stage, content: bytes, words: str) -> None:
    path = stage.root / "picture.png"
    path.write_bytes(content)
    stage.service.attach_file("bad", path)
    event = stage.recorder.wait_for(PictureRefused)
    assert (event.request_id, event.name) == ("bad", "picture.png")
    assert words in event.sentence
    stage.service.attach_bytes("bad paste", "pasted", content)
    assert words in stage.recorder.wait_for(PictureRefused).sentence
    assert not any(path.is_file() for path in stage.paths.attachments.rglob("*"))


def test_a_file_that_is_too_large_is_refused(stage: Stage) -> None:
    path = stage.root / "huge.png"
    with path.open("wb") as stream:
        stream.truncate(MAX_FILE_BYTES + 1)
    stage.service.attach_file("huge", path)
    assert "larger than 64 MiB" in stage.recorder.wait_for(PictureRefused).sentence


def test_too_many_pixels_are_refused_before_they_are_decoded(stage: Stage) -> None:
    stage.service.attach_bytes("bomb", "bomb.png", png(20_000, 6_000))
    assert "million pixels" in stage.recorder.wait_for(PictureRefused).sentence


def missing(folder: Path) -> Path:
    return folder / "gone.png"


def a_folder(folder: Path) -> Path:
    (folder / "folder.png").mkdir()
    return folder / "folder.png"


def a_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.png")
    return folder / "pipe.png"


def a_loop(folder: Path) -> Path:
    (folder / "loop.png").symlink_to("loop.png")
    return folder / "loop.png"


@pytest.mark.parametrize("make", [missing, a_folder, a_pipe, a_loop])
def test_what_is_no_file_is_refused_and_the_next_picture_works(stage: Stage, make: Callable[[Path], Path]) -> None:
    path = make(stage.root)
    stage.service.attach_file("nothing", path)
    event = stage.recorder.wait_for(PictureRefused)
    assert path.name in event.sentence
    assert attached(stage, png()).width == 600
    assert stage.recorder.of(BugFound) == []


def test_a_disk_that_can_not_be_written_is_a_sentence(stage: Stage) -> None:
    stage.paths.attachments.parent.mkdir(exist_ok=True)
    stage.paths.attachments.write_text("a file where the folder should be")
    stage.service.attach_bytes("paste", "pasted", png())
    assert "picture" in stage.recorder.wait_for(PictureRefused).sentence
    assert stage.recorder.of(BugFound) == []


def test_a_path_that_can_not_even_be_looked_at_is_a_sentence(stage: Stage) -> None:
    stage.service.attach_file("r1", Path("x" * 5000 + ".png"))
    assert "can’t be read" in stage.recorder.wait_for(PictureRefused).sentence
    assert stage.recorder.of(BugFound) == []
