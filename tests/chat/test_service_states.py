"""What models have read of chats is kept as the person allows, and goes with its chat."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from app.core.events import ConversationDeleted
from app.core.settings import Settings
from app.engine.protocol import GenerateRequest, LoadRequest, StateKeeping
from app.engine.state_folder import StateFolder
from tests.chat.conftest import MakeStage
from tests.chat.stage import Stage, until


def keeping_of(stage: Stage) -> StateKeeping:
    loads = [request for request in stage.requests if isinstance(request, LoadRequest)]
    return loads[-1].states


def state_of(stage: Stage, chat_id: str) -> Path:
    """Put a file where the state of a chat would lie."""
    path = StateFolder(stage.paths.states).path(chat_id, "none", "a" * 64)
    path.parent.mkdir(exist_ok=True)
    path.touch()
    return path


def test_the_engine_is_told_where_and_how_much_it_may_keep(make_stage: MakeStage) -> None:
    stage = make_stage(settings=Settings(state_ram_mib=5, state_disk_mib=7))
    stage.load()
    assert keeping_of(stage) == StateKeeping(stage.paths.states, 7 << 20, 5 << 20)


def test_nothing_goes_to_disk_where_that_is_not_wished(make_stage: MakeStage) -> None:
    stage = make_stage(settings=Settings(keep_states=False))
    stage.load()
    assert keeping_of(stage).folder is None


def test_a_turn_names_its_chat(stage: Stage) -> None:
    answer = stage.ask("hello")
    asked = [request for request in stage.requests if isinstance(request, GenerateRequest)]
    assert asked[-1].chat_id == answer.conversation_id


def test_a_deleted_chat_takes_its_states_with_it(stage: Stage) -> None:
    gone, kept = stage.ask("gone").conversation_id, stage.ask("kept").conversation_id
    gone_file, kept_file = state_of(stage, gone), state_of(stage, kept)
    stage.service.delete_conversation(gone)
    stage.recorder.wait_for(ConversationDeleted)
    until(lambda: not gone_file.exists())
    assert kept_file.exists()


def test_ending_the_keeping_removes_all(stage: Stage) -> None:
    file = state_of(stage, stage.ask("hello").conversation_id)
    stage.service.change_settings(replace(Settings(), state_disk_mib=9))
    stage.settle()
    assert file.exists()
    stage.service.change_settings(Settings(keep_states=False))
    until(lambda: not file.exists())
    stage.load(stage.model("other.gguf"))
    assert keeping_of(stage).folder is None
