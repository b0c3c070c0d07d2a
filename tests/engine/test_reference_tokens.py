"""The whole way from a conversation to tokens against Mistral's own implementation, on the full vocabulary."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_cpp import llama_cpp as llama

from app.core.messages import ReasoningEffort, Role
from app.engine.child.logbook import Logbook
from app.engine.child.prompting import Prompter
from app.engine.child.vocabulary import Vocabulary
from app.engine.prompt import render_mistral
from app.engine.protocol import PromptMessage
from tests.engine.recorder import user
from tests.models_made.reference import make_tekkenizer, make_writer, write

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def prompter(header_119b: Path) -> Iterator[Prompter]:
    logbook = Logbook()
    logbook.open()
    params = llama.llama_model_default_params()
    params.vocab_only = True
    model = llama.llama_model_load_from_file(str(header_119b).encode(), params)
    assert model
    yield Prompter(render_mistral, Vocabulary(llama.llama_model_get_vocab(model), "tekken"), None, None)
    llama.llama_model_free(model)


@pytest.fixture(scope="module")
def writer() -> Any:
    return make_writer(make_tekkenizer())


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


@pytest.mark.parametrize("effort", list(ReasoningEffort))
@pytest.mark.parametrize("text", TEXTS)
def test_every_text_becomes_the_tokens_of_the_reference(
    prompter: Prompter, writer: Any, text: str, effort: ReasoningEffort
) -> None:
    talk = (
        PromptMessage(Role.SYSTEM, text),
        user(text),
        PromptMessage(Role.ASSISTANT, text, reasoning=text),
        user(text),
    )

    assert list(prompter.build(talk, effort).entries) == write(writer, talk, effort)
