"""The whole way from a conversation's file to tokens against Mistral's own implementation, on the full vocabulary."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mistral_common.protocol.instruct.chunk import ImageChunk, TextChunk, ThinkChunk
from mistral_common.protocol.instruct.messages import AssistantMessage, SystemMessage, UserMessage
from mistral_common.protocol.instruct.normalize import InstructRequestNormalizerV15
from mistral_common.protocol.instruct.request import ChatCompletionRequest, ReasoningEffort
from mistral_common.tokens.tokenizers import image as reference_image
from mistral_common.tokens.tokenizers.base import SpecialTokenPolicy
from mistral_common.tokens.tokenizers.instruct import InstructTokenizerV15
from PIL import Image

from app.engine.child.logbook import Logbook
from app.engine.child.rendered import Script, open_script
from app.engine.conversation import read_conversation
from tests.models_made.reference import make_tekkenizer, make_writer

pytestmark = pytest.mark.model

Said = dict[str, Any]

TEXTS = [
    "Hello!",
    "  leading and trailing  \n\n",
    "def f(x):\n\treturn x**2  # 12345 67.8e-9\r\n",
    "Größe, naïve, œuvre — “quotes” … 10 000 €",
    "日本語のテキストと한국어 그리고 العربية עברית हिन्दी ไทย",
    "👩‍👩‍👧‍👦🏳️‍🌈🤷🏽‍♀️",
    '[INST] [/INST] </s> <s> [THINK] [/THINK] [IMG] [MODEL_SETTINGS]{"reasoning_effort": "high"}',
    "नमस्ते दुनिया, বাংলা, ที่นี่, مَرْحَبًا, GRÖSSE, ПриветМир",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "don't WON'T I'll camelCase SCREAMING_CASE snake_case",
    "\u200b\ufeff\u00a0\u3000 zero widths and wide blanks",
    "x" * 3 + "\n" * 7 + "\t" * 5,
]
PIECES = (
    *"[INST]|[/INST]|</s>|<s>|[THINK]|[/THINK]|[IMG]|[IMG_BREAK]|[IMG_END]|[SYSTEM_PROMPT]|<SPECIAL_20>".split("|"),
    "[MODEL_SETTINGS]", "[TOOL_CALLS]", "<unk>", "<pad>", "\r\n", "\r", "\n\n", "\n \n", " ", "   ", "\t", "\x00",
    "\x1b[0m", "👩‍👩‍👧‍👦", "🇩🇪", "🤷🏽‍♀️", "e\u0301", "\u0915\u094d\u0937", "don't", "HTTPServer", "ÜBERGROSS",
    "ǅungla", "1234", "½", "²", "中文", "한국어", "ไทย", "עִבְרִית", "ﷺ", "𝒳", '{"a": 1}', "\\begin{x}",
    "  - item\n", "```py\n", "\u2028", "\ufeff", "\u200f", "…//\n/", "it'S", "\ud800", "\udc00x",
)  # fmt: skip

texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=12), max_size=8).map("".join)
sides = st.integers(1, 5000) | st.sampled_from([1, 2, 27, 28, 29, 1539, 1540, 1541, 3080])
pictures = st.tuples(sides, sides).map(lambda size: {"type": "image", "size": list(size)})
parts = st.lists(texts.map(lambda text: {"type": "text", "text": text}) | pictures, max_size=4)
systems = texts.map(lambda text: {"role": "system", "content": text})
questions = (texts | parts).map(lambda content: {"role": "user", "content": content})


@st.composite
def answers(draw: st.DrawFn) -> Said:
    thinking = draw(st.none() | texts)
    answer: Said = {"role": "assistant", "content": draw(texts)}
    if not answer["content"] and not thinking:
        answer["content"] = "."  # the reference refuses an answer of nothing
    return answer if thinking is None else {**answer, "thinking": thinking}


@st.composite
def conversations(draw: st.DrawFn) -> Said:
    """Draw what people write and models answer, mostly in turn; and whatever else the reference takes."""
    in_turn = [part for _ in range(draw(st.integers(0, 5))) for part in (draw(questions), draw(answers()))]
    opening = draw(st.lists(systems, max_size=1))
    orderly = [*opening, *in_turn, draw(questions)]
    wild = draw(st.lists(systems | questions | answers(), min_size=1, max_size=6))
    messages = draw(st.sampled_from([orderly, orderly, wild]))
    return {"messages": messages, "reasoning_effort": draw(st.sampled_from(["none", "high"]))}


@pytest.fixture(scope="module")
def script(header_119b: Path) -> Iterator[Script]:
    logbook = Logbook()
    logbook.open()
    with open_script(header_119b, logbook) as script:
        yield script


@pytest.fixture(scope="module")
def writer() -> Iterator[InstructTokenizerV15]:
    with pytest.MonkeyPatch.context() as patch:
        # Only the counts of a picture's tokens matter here, and resizing its pixels takes long.
        patch.setattr(reference_image, "transform_image", lambda image, size: np.zeros(1))
        yield make_writer(make_tekkenizer())


def by_the_reference(writer: InstructTokenizerV15, conversation: Said) -> tuple[list[int], str]:
    effort = ReasoningEffort(conversation["reasoning_effort"])
    request = ChatCompletionRequest(messages=list(map(_message, conversation["messages"])), reasoning_effort=effort)
    normalizer = InstructRequestNormalizerV15.normalizer(writer.tokenizer.model_settings_builder)
    tokens = writer.encode_instruct(normalizer.from_chat_completion_request(request)).tokens
    return tokens, writer.decode(tokens, SpecialTokenPolicy.KEEP)


def _message(said: Said) -> SystemMessage | UserMessage | AssistantMessage:
    content = said["content"]
    if said["role"] == "system":
        return SystemMessage(content=content)
    if said["role"] == "assistant":
        thought = [ThinkChunk(thinking=said["thinking"])] if said.get("thinking") else []
        return AssistantMessage(content=[*thought, TextChunk(text=content)] if thought else content)
    return UserMessage(content=content if isinstance(content, str) else list(map(_chunk, content)))


def _chunk(part: Said) -> TextChunk | ImageChunk:
    if part["type"] == "text":
        return TextChunk(text=part["text"])
    return ImageChunk(image=Image.new("1", tuple(part["size"])))


def rendered(script: Script, conversation: Said) -> tuple[list[int], str]:
    def no_files(path: Path) -> tuple[int, int]:
        raise LookupError(path)

    tokens = script.write(read_conversation(json.dumps(conversation).encode(), no_files))
    return tokens, script.vocabulary.spell(tokens)


def talk(*messages: Said, effort: str = "high") -> Said:
    return {"messages": list(messages), "reasoning_effort": effort}


def user(*content: Any) -> Said:
    sized = [
        {"type": "image", "size": part} if isinstance(part, list) else {"type": "text", "text": part}
        for part in content
    ]
    return {"role": "user", "content": sized}


@pytest.mark.parametrize("effort", ["none", "high"])
@pytest.mark.parametrize("text", TEXTS)
def test_every_text_becomes_the_tokens_of_the_reference(
    script: Script, writer: InstructTokenizerV15, text: str, effort: str
) -> None:
    answer = {"role": "assistant", "content": text, "thinking": text}
    conversation = talk({"role": "system", "content": text}, user(text), answer, user(text), effort=effort)

    assert rendered(script, conversation) == by_the_reference(writer, conversation)


@pytest.mark.timeout(1800)  # thousands of conversations, also on a machine that is busy
@settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))
@given(conversation=conversations())
@example(conversation=talk(user("text first", [60, 60])))
@example(conversation=talk(user("text first", [60, 60], "then more")))
@example(conversation=talk(user("two"), user("questions", [60, 60]), user([9, 9], "three")))
@example(conversation=talk(user(), {"role": "assistant", "content": "kept  "}, {"role": "assistant", "content": "on "}))
@example(conversation=talk({"role": "assistant", "content": "begun "}, {"role": "system", "content": "S"}, user("Q")))
@example(conversation=talk({"role": "system", "content": "one"}, {"role": "system", "content": ""}))
def test_every_conversation_becomes_the_tokens_of_the_reference(
    script: Script, writer: InstructTokenizerV15, conversation: Said
) -> None:
    assert rendered(script, conversation) == by_the_reference(writer, conversation)
