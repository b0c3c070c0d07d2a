"""Quitting, at any moment; and starting with conversations that can't be used."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from app.chat.protocol import ExportKind
from app.core.events import (
    AnswerText,
    BugFound,
    ConversationOpened,
    ConversationsListed,
    Event,
    ModelLoadProgressed,
    OffersListed,
    PictureAttached,
    PictureRefused,
    Refused,
    SendRefused,
    TurnFinished,
)
from app.core.messages import MessageState
from app.core.settings import Settings, Theme, load_settings
from tests.chat.conftest import MakeStage
from tests.chat.stage import FAST, Stage

QUIT_S = 15.0  # a few seconds on a machine that is not busy with other tests


def is_alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def quit_while(stage: Stage) -> list[Event]:
    """Close the service and return what was published until then; nothing may come later."""
    pid = stage.engines[-1].pid if stage.engines else None
    started = time.monotonic()
    stage.service.close()
    assert time.monotonic() - started < QUIT_S
    assert pid is None or not is_alive(pid), "the engine is left behind"
    events = list(stage.recorder.events)
    assert [thread.name for thread in threading.enumerate() if thread.name == "conversations"] == []
    return events


def test_quitting_in_the_middle_of_an_answer_keeps_what_had_arrived(make_stage: MakeStage) -> None:
    stage = make_stage("talks_forever")
    stage.load()
    started = stage.begin("story")
    stage.recorder.wait_for(AnswerText, lambda event: event.text == "and ")
    events = quit_while(stage)
    arrived = "".join(event.text for event in events if isinstance(event, AnswerText))
    assert stage.text_on_disk(started.turn_id) == arrived
    assert stage.state_on_disk(started.turn_id) == "stopped"
    (end,) = [event for event in events if isinstance(event, TurnFinished)]
    assert (end.answer.state, end.answer.text) == (MessageState.STOPPED, arrived)
    assert stage.recorder.events == events
    again = make_stage()
    again.service.open_conversation(started.question.conversation_id)
    assert again.recorder.wait_for(ConversationOpened).conversation.messages[-1] == end.answer


@pytest.mark.parametrize("step", ["load", "prefill", "answer"])
def test_quitting_while_the_engine_is_busy(make_stage: MakeStage, step: str) -> None:
    stage = make_stage()
    if step != "load":
        stage.load()
    stage.hold(step)
    if step == "load":
        stage.service.open_model(stage.model())
        stage.recorder.wait_for(ModelLoadProgressed)
    started = stage.begin("busy")
    quit_while(stage)
    assert stage.state_on_disk(started.turn_id) == "stopped"
    assert stage.recorder.of(BugFound) == []


def test_quitting_ends_an_engine_that_does_not_listen(make_stage: MakeStage) -> None:
    stage = make_stage("deaf")
    stage.service.open_model(stage.model())
    stage.settle()
    quit_while(stage)


def test_quitting_does_what_was_asked_before(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.service.change_settings(Settings(theme=Theme.DARK))
    quit_while(stage)
    assert load_settings(stage.paths.settings).theme is Theme.DARK


def test_nothing_is_taken_or_published_after_the_end(stage: Stage, tmp_path: Path) -> None:
    conversation = stage.ask("before").conversation_id
    events = quit_while(stage)
    service = stage.service
    service.list_conversations("")
    service.open_conversation(conversation)
    service.export_conversation(conversation, tmp_path / "late.md", ExportKind.MARKDOWN)
    service.send(None, "late", (), FAST)
    service.stop()
    service.attach_bytes("late", "late", b"")
    service.attach_file("late", tmp_path / "late.png")
    service.open_model(tmp_path / "late.gguf")
    service.restart_engine()
    service.library.list_offers(tmp_path)
    service.library.download("mistral-small-4-q4-k-m", tmp_path)
    service.library.stop_download()
    service.change_settings(Settings())
    service.close()
    assert stage.recorder.events == events
    assert not (tmp_path / "late.md").exists()
    assert not (tmp_path / "mistral-small-4-q4-k-m").exists()
    assert stage.rows("SELECT count(*) FROM messages") == [(2,)]


def test_quitting_without_ever_having_been_asked(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.recorder.wait_for(ConversationsListed)
    quit_while(stage)


# --- conversations that can't be used -----------------------------------------------------------


def test_a_damaged_file_is_told_and_the_service_works(make_stage: MakeStage, tmp_path: Path) -> None:
    first = Stage(tmp_path)
    first.paths.database.write_bytes(b"SQLite format 3\0" + os.urandom(8192))
    stage = make_stage()
    assert "was damaged" in stage.recorder.wait_for(Refused).sentence
    assert stage.recorder.wait_for(ConversationsListed).summaries == ()
    stage.load()
    assert stage.ask("hello").state is MessageState.COMPLETE
    assert stage.recorder.of(BugFound) == []


def test_answers_cut_off_by_a_kill_are_interrupted(stage: Stage, make_stage: MakeStage) -> None:
    answer = stage.ask("question")
    stage.service.close()
    stage.change("UPDATE messages SET state = 'growing' WHERE id = ?", answer.id)
    again = make_stage()
    again.service.open_conversation(answer.conversation_id)
    reopened = again.recorder.wait_for(ConversationOpened).conversation.messages[-1]
    assert (reopened.state, reopened.text) == (MessageState.INTERRUPTED, answer.text)


def newer_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 999")


def test_a_file_of_a_newer_version_is_a_sentence_for_every_request(make_stage: MakeStage, tmp_path: Path) -> None:
    first = make_stage()
    first.load()
    first.ask("precious")
    first.service.close()
    newer_database(first.paths.database)
    before = first.paths.database.read_bytes()
    stage = make_stage()
    sentence = stage.recorder.wait_for(Refused).sentence
    assert "newer version of Solo" in sentence
    stage.service.list_conversations("")
    stage.service.send(None, "hello", (), FAST)
    stage.service.open_model(stage.model())
    stage.service.restart_engine()
    stage.service.measure(None, "", (), FAST)
    for _ in range(4):
        assert stage.recorder.wait_for(Refused).sentence == sentence
    assert [refused.sentence for refused in stage.recorder.of(SendRefused)] == [sentence]
    stage.service.change_settings(Settings(theme=Theme.DARK))
    stage.service.library.list_offers(tmp_path)
    stage.recorder.wait_for(OffersListed)
    stage.service.attach_bytes("bad", "bad", b"")
    stage.recorder.wait_for(PictureRefused)
    stage.service.close()
    assert stage.recorder.of(BugFound, PictureAttached) == []
    assert load_settings(stage.paths.settings).theme is Theme.DARK
    assert first.paths.database.read_bytes() == before


def test_a_folder_that_can_not_be_used_is_a_sentence(make_stage: MakeStage, tmp_path: Path) -> None:
    Stage(tmp_path).paths.database.mkdir()
    stage = make_stage()
    sentence = stage.recorder.wait_for(Refused).sentence
    stage.service.send(None, "hello", (), FAST)
    assert stage.recorder.wait_for(SendRefused).sentence == sentence
    assert stage.recorder.of(BugFound) == []
