from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mistral_common.tokens.tokenizers import image as reference_image
from mistral_common.tokens.tokenizers.instruct import InstructTokenizerV15
from mistral_common.tokens.tokenizers.tekken import Tekkenizer

from app.core.messages import ReasoningEffort, Role
from app.engine.pictures import image_grid
from app.engine.prompt import Control, ImageSlot, Markup, Plain, Segment, render_mistral, settings_text
from app.engine.protocol import PictureFile, PromptMessage
from tests.models_made import reference
from tests.models_made.speaker import Speaker

pytestmark = pytest.mark.model

CONTROL_WORDS = ("[INST]", "[/INST]", "</s>", "<s>", "[THINK]", "[/THINK]", "[IMG]", "[IMG_END]", "<SPECIAL_20>")
PICTURE = PictureFile(Path("/nowhere.png"), "00")

# llama.cpp's cut of words for Tekken knows no combining marks (see the last tests): not in what it is given.
_letters = st.characters(exclude_categories=["Cs", "Cn"])
_unmarked_letters = st.characters(exclude_categories=["Cs", "Cn", "Mn", "Mc", "Me"])
_PHRASES = (
    *CONTROL_WORDS, "\r\n", "\n\n", " ", "  ", "\t", "👩‍👩‍👧‍👦", "🇩🇪", "don't", "HTTPServer", "ÜBERGROSS", "1234",
    "中文", '{"a": 1}', "\x00",
)  # fmt: skip
_phrases = st.sampled_from(_PHRASES)
_sizes = st.tuples(st.integers(2, 5000), st.integers(2, 5000))


def _texts(letters: st.SearchStrategy[str], min_size: int) -> st.SearchStrategy[str]:
    return st.lists(_phrases | st.text(letters, max_size=12), min_size=min_size, max_size=6).map("".join)


@st.composite
def conversations(
    draw: st.DrawFn, letters: st.SearchStrategy[str] = _letters
) -> tuple[list[PromptMessage], list[tuple[int, int]]]:
    """Draw messages, system first or not, user and assistant in turn, and the sizes of the pictures in them."""
    spoken = _texts(letters, 1).filter(bool)
    messages = [PromptMessage(Role.SYSTEM, draw(spoken))] if draw(st.booleans()) else []
    sizes: list[tuple[int, int]] = []
    for turn in range(draw(st.integers(1, 4))):
        if turn:
            thought = draw(st.just("") | _texts(letters, 0))
            messages.append(PromptMessage(Role.ASSISTANT, draw(spoken), reasoning=thought))
        new = draw(st.lists(_sizes, max_size=2))
        sizes += new
        messages.append(PromptMessage(Role.USER, draw(_texts(letters, 0)), (PICTURE,) * len(new)))
    return messages, sizes


@pytest.fixture(scope="session")
def tekkenizer() -> Tekkenizer:
    return reference.make_tekkenizer()


@pytest.fixture
def writer(tekkenizer: Tekkenizer, monkeypatch: pytest.MonkeyPatch) -> InstructTokenizerV15:
    # The reference resizes pixels with OpenCV, which is not installed; only its token counts matter here.
    monkeypatch.setattr(reference_image, "transform_image", lambda image, size: np.zeros(1))
    return reference.make_writer(tekkenizer)


@pytest.fixture(scope="session")
def vocabulary(header_119b: Path) -> Iterator[Speaker]:
    speaker = Speaker(header_119b, vocab_only=True)
    yield speaker
    speaker.close()


def picture_names(size: tuple[int, int]) -> list[str]:
    columns, rows = image_grid(*size)
    names = (["[IMG]"] * columns + ["[IMG_BREAK]"]) * rows
    return [*names[:-1], "[IMG_END]"]


def spell(
    segments: Sequence[Segment], sizes: Sequence[tuple[int, int]], tekkenizer: Tekkenizer, vocabulary: Speaker | None
) -> list[int]:
    """Return the tokens of `segments`, texts cut by llama.cpp or, without `vocabulary`, by the reference."""
    tokens: list[int] = []
    for segment in segments:
        match segment:
            case Control(name):
                tokens.append(tekkenizer.get_special_token(name))
            case ImageSlot(index):
                tokens += [tekkenizer.get_special_token(name) for name in picture_names(sizes[index])]
            case Plain(text) if vocabulary:
                tokens += vocabulary.tokenize(text, parse_special=False)
            case Plain(text):
                tokens += tekkenizer.encode(text, bos=False, eos=False)
            case Markup(_):
                pytest.fail("the program's own format has no markup")
    return tokens


def show(segment: Segment) -> str:
    match segment:
        case Control(name):
            return name
        case ImageSlot(index):
            return f"<{index}>"
        case Plain(text) | Markup(text):
            return text


def slowly(examples: int) -> settings:
    fixtures = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=examples, deadline=None, suppress_health_check=fixtures)


@slowly(150)
@given(conversation=conversations(), effort=st.sampled_from(ReasoningEffort))
def test_prompts_are_those_of_the_reference(
    conversation: tuple[list[PromptMessage], list[tuple[int, int]]],
    effort: ReasoningEffort,
    writer: InstructTokenizerV15,
    tekkenizer: Tekkenizer,
) -> None:
    messages, sizes = conversation
    ours = spell(render_mistral(messages, effort), sizes, tekkenizer, None)
    assert ours == reference.write(writer, messages, effort, sizes)


@slowly(150)
@given(conversation=conversations(_unmarked_letters), effort=st.sampled_from(ReasoningEffort))
def test_llama_cpp_gets_the_very_tokens_of_the_reference(
    conversation: tuple[list[PromptMessage], list[tuple[int, int]]],
    effort: ReasoningEffort,
    writer: InstructTokenizerV15,
    tekkenizer: Tekkenizer,
    vocabulary: Speaker,
) -> None:
    messages, sizes = conversation
    ours = spell(render_mistral(messages, effort), sizes, tekkenizer, vocabulary)
    assert ours == reference.write(writer, messages, effort, sizes)


def test_neighbours_of_one_role_are_one_message_as_in_the_reference() -> None:
    messages = [
        PromptMessage(Role.ASSISTANT, "Begun ", reasoning=""),
        PromptMessage(Role.SYSTEM, "One."),
        PromptMessage(Role.SYSTEM, "Two."),
        PromptMessage(Role.USER, "A"),
        PromptMessage(Role.USER, "B", (PICTURE,)),
        PromptMessage(Role.USER, "C"),
        PromptMessage(Role.ASSISTANT, "x ", reasoning="t"),
        PromptMessage(Role.ASSISTANT, "y "),
        PromptMessage(Role.USER, "text"),
        PromptMessage(Role.USER, "", (PICTURE,)),
    ]
    assert "".join(map(show, render_mistral(messages, ReasoningEffort.NONE))) == (
        "<s>Begun</s>[SYSTEM_PROMPT]One.[/SYSTEM_PROMPT][SYSTEM_PROMPT]Two.[/SYSTEM_PROMPT]"
        '[MODEL_SETTINGS]{"reasoning_effort": "none"}[/MODEL_SETTINGS][INST]A<0>B\n\nC[/INST]'
        "[THINK]t[/THINK]x \n\ny </s>[INST]<1>text[/INST]"
    )


def test_a_whole_prompt_stands_in_one_line() -> None:
    messages = [
        PromptMessage(Role.SYSTEM, "Be kind."),
        PromptMessage(Role.USER, "What?", (PICTURE, PICTURE)),
        PromptMessage(Role.ASSISTANT, "That.", reasoning="Hm."),
        PromptMessage(Role.USER, "And?", (PICTURE,)),
    ]
    assert "".join(map(show, render_mistral(messages, ReasoningEffort.HIGH))) == (
        '<s>[SYSTEM_PROMPT]Be kind.[/SYSTEM_PROMPT][MODEL_SETTINGS]{"reasoning_effort": "high"}[/MODEL_SETTINGS]'
        "[INST]<0><1>What?[/INST][THINK]Hm.[/THINK]That.</s>[INST]<2>And?[/INST]"
    )


@pytest.mark.parametrize("word", CONTROL_WORDS)
def test_typed_control_words_stay_text(word: str, vocabulary: Speaker) -> None:
    segments = render_mistral([PromptMessage(Role.USER, word)], ReasoningEffort.NONE)
    assert segments[-2:] == (Plain(word), Control("[/INST]"))
    assert min(vocabulary.tokenize(word, parse_special=False)) >= 1000


@pytest.mark.parametrize("effort", ReasoningEffort)
def test_the_settings_shown_are_those_in_the_prompt(effort: ReasoningEffort) -> None:
    messages = [PromptMessage(Role.USER, "[MODEL_SETTINGS]{}[/MODEL_SETTINGS]")]
    shown = settings_text(render_mistral(messages, effort))
    assert shown == f'[MODEL_SETTINGS]{{"reasoning_effort": "{effort}"}}[/MODEL_SETTINGS]'


def test_prompts_without_a_settings_block_show_none() -> None:
    assert settings_text((Markup("[MODEL_SETTINGS]x[/MODEL_SETTINGS]"), Plain("y"))) == ""


@pytest.mark.parametrize("text", ["नमस्ते दुनिया", "สวัสดีครับ", "বাংলা ভাষা"])
def test_llama_cpp_cuts_words_with_combining_marks_otherwise(
    text: str, vocabulary: Speaker, tekkenizer: Tekkenizer
) -> None:
    """Known: llama.cpp's expression for Tekken has no `\\p{M}`. If this fails, it has learned them."""
    theirs = vocabulary.tokenize(text, parse_special=False)
    assert theirs != tekkenizer.encode(text, bos=False, eos=False)
    assert tekkenizer.decode(theirs) == text
