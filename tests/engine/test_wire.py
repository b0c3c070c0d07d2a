from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import AppError, Cancelled, EngineCrashed, NotEnoughMemory
from app.core.facts import DevicePlan, HostPlan, Plan, TensorOverride
from app.core.messages import ReasoningEffort, Role, StopReason, TurnStats
from app.engine import wire
from app.engine.protocol import (
    AnswerPiece,
    Died,
    Generated,
    GenerateRequest,
    Loaded,
    LoadProgressed,
    LoadRequest,
    Measured,
    MeasureRequest,
    PictureFile,
    Prefilled,
    PromptMessage,
    ReasoningEnded,
    ReasoningPiece,
    Rendered,
    RequestFailed,
    Sampling,
    StateKeeping,
)

PLAN = Plan(
    fits=True,
    context_tokens=8192,
    n_gpu_layers=37,
    tensor_split=(18, 19),
    overrides=(TensorOverride(r"blk\.\d+\.ffn_down_exps", "CPU"),),
    devices=(DevicePlan("RTX 4090", "00000000:01:00.0", 1, 2, 3, 4, 5),),
    host=HostPlan(7, 8),
    reasons=("Both cards are used.",),
    projector_device="00000000:01:00.0",
)
MESSAGES = (
    PromptMessage(Role.SYSTEM, "Be brief."),
    PromptMessage(Role.USER, "Grüße 🌍 \ud800 \x00", (PictureFile(Path("/tmp/ä b.png"), "ab" * 32),)),
    PromptMessage(Role.ASSISTANT, "Hallo", reasoning="Hm."),
)
EVERY_MESSAGE: list[Any] = [
    LoadRequest("1", Path("/m/a.gguf"), None, PLAN, (("a", 1), ("b", 0.5), ("c", True), ("d", "x")), threads=3),
    LoadRequest("1", Path("/m/a.gguf"), Path("/m/mmproj.gguf"), PLAN),
    LoadRequest("1", Path("/m/a.gguf"), None, PLAN, states=StateKeeping(Path("/cache/Zustände"), 1 << 33, 1 << 30)),
    GenerateRequest("2", MESSAGES, ReasoningEffort.HIGH, Sampling(0.7, 0.95, seed=7), 100),
    GenerateRequest("2", (), ReasoningEffort.NONE, Sampling(0), chat_id="chat"),
    MeasureRequest("3", MESSAGES, ReasoningEffort.NONE),
    LoadProgressed("1", 0.25),
    Loaded(
        "1",
        "Mini",
        "mistral4",
        8192,
        1 << 20,
        sees_pictures=True,
        knows_effort=True,
        load_seconds=1.5,
        details=(("Threads", "2"),),
    ),
    Rendered("2", '{"reasoning_effort": "high"}', 100, 20),
    Prefilled("2", 20, 100),
    ReasoningPiece("2", "1+1"),
    ReasoningEnded("2", 12.5, 3),
    AnswerPiece("2", "zwei\n"),
    Generated("2", TurnStats(StopReason.LENGTH, 1, 2, 3, 4, 5, 6.0, 7.0, 8.0, 9.0)),
    Measured("3", 10, 4),
    wire.Hello(wire.PROTOCOL_VERSION, 4711),
    wire.Cancel("2"),
    wire.Forget("chat"),
    wire.Forget(None),
    wire.Goodbye(0.5),
    wire.LastWords("GGML_ASSERT(x) failed"),
]


def round_trip(message: Any) -> Any:
    (back,) = wire.read_messages(io.BytesIO(wire.pack(message)))
    return back


@pytest.mark.parametrize("message", EVERY_MESSAGE, ids=lambda message: type(message).__name__)
def test_every_message_comes_back_as_it_was(message: Any) -> None:
    back = round_trip(message)

    assert back == message
    assert type(back) is type(message)


def test_metadata_values_keep_their_kinds() -> None:
    back = round_trip(EVERY_MESSAGE[0])

    assert [type(value) for _, value in back.metadata] == [int, float, bool, str]


@pytest.mark.parametrize("error", [NotEnoughMemory("Too big."), Cancelled("Stopped."), EngineCrashed("Gone.")])
def test_errors_keep_their_class_and_sentence(error: AppError) -> None:
    for event in (RequestFailed("1", error), Died(error)):
        back = round_trip(event).error

        assert type(back) is type(error)
        assert str(back) == str(error)


@given(st.text(alphabet=st.characters(exclude_categories=())), st.floats(allow_nan=False, allow_infinity=False))
def test_any_text_and_number_survives(text: str, number: float) -> None:
    assert round_trip(AnswerPiece("1", text)).text == text
    assert round_trip(LoadProgressed("1", number)).fraction == number


def test_messages_follow_each_other_in_order() -> None:
    stream = io.BytesIO(b"".join(wire.pack(message) for message in EVERY_MESSAGE))

    assert list(wire.read_messages(stream)) == EVERY_MESSAGE


def test_a_stream_that_ends_within_a_frame_ends_quietly() -> None:
    whole = wire.pack(AnswerPiece("1", "a")) + wire.pack(AnswerPiece("1", "b"))

    for length in range(len(whole)):
        got = list(wire.read_messages(io.BytesIO(whole[:length])))
        assert got == [AnswerPiece("1", "a")][: len(got)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b"7",
        b'{"is": "Popen"}',
        b'{"is": ["AnswerPiece"]}',
        b'{"is": "AnswerPiece", "request_id": "1"}',
        b'{"is": "AnswerPiece", "request_id": "1", "text": 7}',
        b'{"is": "AnswerPiece", "request_id": "1", "text": "a", "more": 1}',
        b'{"is": "AnswerPiece", "request_id": "1", "text": null}',
        b'{"is": "LoadProgressed", "request_id": "1", "fraction": true}',
        b'{"is": "LoadProgressed", "request_id": "1", "fraction": NaN}',
        b'{"is": "Prefilled", "request_id": "1", "done_tokens": 1.5, "total_tokens": 2}',
        b'{"is": "RequestFailed", "request_id": "1", "error": {"error": "SystemExit", "sentence": ""}}',
        b'{"is": "RequestFailed", "request_id": "1", "error": {"error": "Cancelled"}}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(wire.WireError):
        list(wire.read_messages(io.BytesIO(struct.pack("<I", len(body)) + body)))


def test_a_frame_that_announces_too_much_is_refused_before_it_is_read() -> None:
    with pytest.raises(wire.WireError):
        list(wire.read_messages(io.BytesIO(struct.pack("<I", wire.MAX_FRAME_BYTES + 1))))


def test_a_message_that_is_too_large_is_not_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_FRAME_BYTES", 100)

    with pytest.raises(wire.MessageTooLarge):
        wire.pack(AnswerPiece("1", "a" * 100))


def test_frames_are_json_behind_a_length() -> None:
    frame = wire.pack(wire.Cancel("7"))

    assert struct.unpack("<I", frame[:4]) == (len(frame) - 4,)
    assert json.loads(frame[4:]) == {"is": "Cancel", "request_id": "7"}
