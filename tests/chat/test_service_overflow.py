"""What happens when a chat no longer fits the model's context, on a real service with a scripted engine.

The engine counts words: one for the role of a message and one for each of its text.
"""

from __future__ import annotations

import pytest

from app.core.events import ContextMeasured, ConversationOpened, Refused, SendRefused, TurnsLeftOut, TurnStarted
from app.core.messages import Message, MessageState, StopReason
from app.core.settings import Settings
from app.engine.protocol import GenerateRequest, MeasureRequest
from tests.chat.conftest import MakeStage
from tests.chat.stage import FAST, Stage

CONTEXT = 64
ROOM, TARGET = 48, 48  # a quarter is kept for the answer, and no less leaves


@pytest.fixture
def small(make_stage: MakeStage) -> Stage:
    stage = make_stage(settings=Settings(context_tokens=CONTEXT))
    assert stage.load().context_tokens == CONTEXT
    return stage


def words(count: int, word: str = "word") -> str:
    return " ".join([word] * count)


def fill(stage: Stage, *sizes: int) -> list[Message]:
    """Ask questions of so many words each; return the answers, each of two words more."""
    answers: list[Message] = []
    for number, size in enumerate(sizes):
        chat = answers[0].conversation_id if answers else None
        answers.append(stage.ask(words(size, f"w{number}"), chat))
    return answers


def seen(stage: Stage, turn_id: str) -> list[str]:
    return [text for role, text in stage.prompt_of(turn_id) if role == "user"]


def test_the_oldest_turns_leave_and_the_person_is_told(small: Stage) -> None:
    answers = fill(small, 5, 5, 5)  # 14 words a turn
    chat = answers[0].conversation_id
    assert small.recorder.of(TurnsLeftOut) == []

    started = small.begin(words(8, "new"), chat)
    answer = small.finished(started).answer

    told = small.recorder.wait_for(TurnsLeftOut)
    assert seen(small, started.turn_id) == [words(5, "w1"), words(5, "w2"), words(8, "new")]
    assert (told.turn_id, told.messages, told.is_news) == (started.turn_id, 2, True)
    small.service.open_conversation(chat)
    branch = small.recorder.wait_for(ConversationOpened).conversation.messages
    assert told.first_seen_id == branch[2].id
    assert len(branch) == 8  # nothing is lost but the model's sight of it
    assert answer.stats is not None
    assert (answer.stats.left_out_messages, answer.stats.context_tokens) == (2, CONTEXT)
    assert answer.state is MessageState.COMPLETE


def test_what_has_left_stays_out_so_that_the_beginning_stays_the_same(small: Stage) -> None:
    chat = fill(small, 12, 12)[0].conversation_id  # 28 words a turn
    first = small.begin(words(1, "a"), chat)
    small.finished(first)

    second = small.begin(words(1, "b"), chat)
    small.finished(second)

    one, other = (small.prompt_of(turn.turn_id) for turn in (first, second))
    assert other[: len(one)] == one
    told = small.recorder.of(TurnsLeftOut)
    assert [event.is_news for event in told] == [True, False]
    assert [event.messages for event in told] == [2, 2]


def test_the_system_prompt_stays(make_stage: MakeStage) -> None:
    stage = make_stage(settings=Settings(context_tokens=CONTEXT, system_prompt="Be kind"))
    stage.load()
    chat = fill(stage, 12, 12)[0].conversation_id

    started = stage.begin("new", chat)
    stage.finished(started)

    prompt = stage.prompt_of(started.turn_id)
    assert prompt[0] == ("system", "Be kind")
    assert len(seen(stage, started.turn_id)) == 2


def test_another_branch_before_the_cut_sees_everything(small: Stage) -> None:
    answers = fill(small, 12, 12, 1)
    assert len(small.recorder.of(TurnsLeftOut)) == 1

    small.service.regenerate(answers[1].id, FAST)
    started = small.recorder.wait_for(TurnStarted, lambda event: event.turn_id not in {a.id for a in answers})
    small.finished(started)

    assert seen(small, started.turn_id) == [words(12, "w0"), words(12, "w1")] or len(seen(small, started.turn_id)) == 1


def test_a_message_that_is_too_long_alone_is_refused_before_it_is_sent(small: Stage) -> None:
    small.service.send(None, words(ROOM), (), FAST)  # and one for the role

    sentence = small.recorder.wait_for(SendRefused).sentence
    assert f"takes {ROOM + 1} tokens" in sentence
    assert f"room for {ROOM} " in sentence
    assert small.recorder.of(TurnStarted) == []
    assert small.settle().summaries == ()  # not even an empty chat is left
    assert small.ask(words(5)).state is MessageState.COMPLETE


def test_an_edit_that_is_too_long_alone_leaves_the_chat_as_it_is(small: Stage) -> None:
    answers = fill(small, 3)
    question = answers[0].parent_id
    assert question is not None

    small.service.edit(question, words(ROOM), FAST)

    assert "tokens" in small.recorder.wait_for(Refused).sentence
    assert small.recorder.of(ConversationOpened) == []
    assert small.rows("SELECT count(*) FROM messages") == [(2,)]


def test_a_second_message_waits_while_the_first_is_measured(small: Stage) -> None:
    small.service.send(None, words(3, "one"), (), FAST)
    small.service.send(None, words(3, "two"), (), FAST)

    assert "still being written" in small.recorder.wait_for(SendRefused).sentence
    small.finished(small.recorder.wait_for(TurnStarted))


def test_a_question_sent_while_the_model_loads_fails_with_the_sentence_and_is_kept(make_stage: MakeStage) -> None:
    stage = make_stage(settings=Settings(context_tokens=CONTEXT))
    stage.hold("load")
    stage.service.open_model(stage.model())
    started = stage.begin(words(ROOM))
    stage.release("load")

    assert "Shorten it" in stage.failed(started).sentence
    assert stage.text_on_disk(started.question.id) == words(ROOM)


def test_the_meter_says_before_sending_what_sending_would_lead_to(small: Stage) -> None:
    chat = fill(small, 12)[0].conversation_id

    def note(text: str) -> ContextMeasured:
        small.settle()
        small.service.measure(chat, text, (), FAST)
        return small.recorder.wait_for(ContextMeasured, lambda event: event.used_tokens != 28 or text == "")

    small.recorder.wait_for(ContextMeasured)  # the turn's own
    assert note(words(3)).note == ""
    assert "no longer sees the oldest" in note(words(30)).note
    assert "takes 61 tokens" in note(words(60)).note


def test_a_chat_far_from_full_costs_no_measuring(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.load()

    stage.ask("Hello", stage.ask("Hello").conversation_id)

    assert [type(request) for request in stage.requests if not hasattr(request, "plan")] == [GenerateRequest] * 2
    assert not any(isinstance(request, MeasureRequest) for request in stage.requests)


def test_a_stop_while_it_is_measured_stops_the_turn(small: Stage) -> None:
    small.hold("load")
    small.service.open_model(small.model("other.gguf"))
    started = small.begin(words(3))

    small.service.stop()
    answer = small.finished(started).answer
    small.release("load")

    assert answer.stats is not None
    assert answer.stats.stop_reason is StopReason.CANCELLED
    assert small.ask(words(3)).state is MessageState.COMPLETE
