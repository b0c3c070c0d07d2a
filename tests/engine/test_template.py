from __future__ import annotations

import sys
import time
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import AppError, GenerationFailed, ModelNotSupported
from app.core.messages import ReasoningEffort, Role
from app.engine import sandbox
from app.engine.prompt import ImageSlot, Markup, Plain, Segment
from app.engine.protocol import PictureFile, PromptMessage
from app.engine.template import render_template, template_knows_effort

PICTURE = PictureFile(Path("/nowhere.png"), "00")

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# The ways of real families, each as short as it can be.
QWEN3 = (
    "{%- for m in messages %}{%- set content = m.content %}{%- set thought = '' %}"
    "{%- if m.reasoning_content is defined and m.reasoning_content is not none %}"
    "{%- set thought = m.reasoning_content %}"
    "{%- elif '</think>' in content %}{%- set content = content.split('</think>')[-1].lstrip('\n') %}{%- endif %}"
    "{{- '<|im_start|>' + m.role + '\n' + content.strip() + '<|im_end|>\n' }}{%- endfor %}"
    "{{- '<|im_start|>assistant\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate') }}{% endif %}"
    "{{ '<start_of_turn>' + m['role'] + '\n' + m['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
)
IN_PARTS = (
    "{% for m in messages %}<{{ m.role }}>{% for part in m.content %}{% if part.type == 'text' %}"
    "{{ part.text }}{% endif %}{% endfor %}{% endfor %}"
)
GPT_OSS = "Reasoning: {{ reasoning_effort }}\n{% for m in messages %}<|start|>{{ m.role }}{{ m.content }}{% endfor %}"
HUNTS_FOR_TEXT = (
    "{% for m in messages %}{% generation %}{{ m.content | tojson }}{% endgeneration %}"
    "{% if 'secret' in m.content %}found{% endif %}{% endfor %}"
)


def render(
    source: str, *messages: PromptMessage, effort: ReasoningEffort = ReasoningEffort.NONE
) -> tuple[Segment, ...]:
    return render_template(source, messages, effort, bos="<bos>", eos="<eos>")


def text_of(segments: tuple[Segment, ...]) -> str:
    return "".join(f"<{s.index}>" if isinstance(s, ImageSlot) else getattr(s, "text", "") for s in segments)


def user(text: str, n_pictures: int = 0) -> PromptMessage:
    return PromptMessage(Role.USER, text, (PICTURE,) * n_pictures)


def test_texts_and_markup_are_told_apart() -> None:
    segments = render(CHATML, user("Hi <|im_end|>"), PromptMessage(Role.ASSISTANT, "Yes"), user("Look", 2))
    assert segments == (
        Markup("<|im_start|>user\n"),
        Plain("Hi <|im_end|>"),
        Markup("<|im_end|>\n<|im_start|>assistant\n"),
        Plain("Yes"),
        Markup("<|im_end|>\n<|im_start|>user\n"),
        ImageSlot(0),
        ImageSlot(1),
        Plain("Look"),
        Markup("<|im_end|>\n<|im_start|>assistant\n"),
    )


@settings(max_examples=200, deadline=None)
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5))
def test_no_text_is_lost_or_read_as_markup(texts: list[str]) -> None:
    roles = [Role.USER, Role.ASSISTANT]
    messages = [PromptMessage(roles[n % 2], text) for n, text in enumerate(texts)]
    segments = render(CHATML, *messages)
    expected = "".join(f"<|im_start|>{m.role}\n{m.text}<|im_end|>\n" for m in messages) + "<|im_start|>assistant\n"
    assert text_of(segments) == expected
    assert [s.text for s in segments if isinstance(s, Plain)] == [t.strip() for t in texts if t.strip()]


@pytest.mark.parametrize("word", ["{{ 7 * 7 }}", "{% raw %}", "<|im_end|>", "</think>", "m" + "0" * 32 + "n0e"])
def test_what_a_person_types_is_never_code(word: str) -> None:
    assert Plain(word) in render(QWEN3, user(word))


def test_white_space_is_trimmed_where_the_template_trims() -> None:
    assert text_of(render(QWEN3, user("  a b \n"))).startswith("<|im_start|>user\na b<|im_end|>")
    assert text_of(render(CHATML, user("  a b \n"))).startswith("<|im_start|>user\n  a b \n<|im_end|>")


def test_a_refused_system_message_joins_the_first_question() -> None:
    segments = render(GEMMA, PromptMessage(Role.SYSTEM, "Be kind."), user("Hi"))
    assert text_of(segments) == "<bos><start_of_turn>user\nBe kind.\n\nHi<end_of_turn>\n"


def test_a_dropped_system_message_joins_the_first_question() -> None:
    source = "{% for m in messages %}{% if m.role != 'system' %}{{ m.content }}{% endif %}{% endfor %}"
    assert text_of(render(source, PromptMessage(Role.SYSTEM, "Be kind."), user("Hi"))) == "Be kind.\n\nHi"


def test_templates_that_take_contents_in_parts_get_them() -> None:
    assert text_of(render(IN_PARTS, user("Hi", 1))) == "<user><0>Hi"


def test_earlier_reasoning_may_be_left_out_but_not_the_answer() -> None:
    answer = PromptMessage(Role.ASSISTANT, "Yes", reasoning="Hm")
    shown = text_of(render(QWEN3, user("Hi"), answer, user("And?")))
    assert "Yes" in shown
    assert "Hm" not in shown
    keeps = "{% for m in messages %}{{ m.reasoning_content or '' }}|{{ m.content }}{% endfor %}"
    assert text_of(render(keeps, user("Hi"), answer, user("And?"))) == "|HiHm|Yes|And?"


@pytest.mark.parametrize(
    ("source", "knows"),
    [(CHATML, False), (QWEN3, True), (GPT_OSS, True), (GEMMA, False), (IN_PARTS, False)],
)
def test_templates_that_know_the_effort_are_found(source: str, knows: bool) -> None:
    assert template_knows_effort(source) is knows


def test_the_effort_takes_the_words_of_the_template() -> None:
    knows_none = GPT_OSS + "{# 'none' or 'high' #}"
    shown = {e: text_of(render(GPT_OSS, user("Hi"), effort=e)).splitlines()[0] for e in ReasoningEffort}
    assert shown == {ReasoningEffort.NONE: "Reasoning: low", ReasoningEffort.HIGH: "Reasoning: high"}
    assert text_of(render(knows_none, user("Hi"))).startswith("Reasoning: none")


def test_templates_see_marks_only() -> None:
    segments = render(HUNTS_FOR_TEXT, user("a secret"))
    assert segments == (Markup('"'), Plain("a secret"), Markup('"'))


def test_the_date_is_known() -> None:
    source = "{{ strftime_now('%d %B %Y') }} {{ messages[0].content }}"
    before = datetime.now()
    shown = text_of(render(source, user("Hi")))
    assert shown in {f"{day:%d %B %Y} Hi" for day in (before, datetime.now())}


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        ("{% if %}", ModelNotSupported, "can’t be used"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", ModelNotSupported, "can’t be used"),
        ("x" * (2 << 20), ModelNotSupported, "too long"),
        ("{{ raise_exception('no chats today.') }}", GenerationFailed, "no chats today"),
        ("{{ messages[7].content }}", GenerationFailed, "could not write"),
        ("nothing", GenerationFailed, "leaves out"),
        ("{{ messages[0].content | upper }}", GenerationFailed, "leaves out"),
        ("{{ messages[0].content[:20] }}", GenerationFailed, "leaves out"),
        ("{{ messages[0].content.__class__.__mro__ }}", GenerationFailed, "could not write|leaves out"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", GenerationFailed, "could not write|leaves out"),
        ("{{ messages.append(1) }}", GenerationFailed, "could not write"),
        ("{{ 'x' * 10 ** 9 }}", ModelNotSupported, "too l"),
        ("{{ 9 ** (9 ** 9) }}", ModelNotSupported, "too large"),
        ("{% set x = 1.5 * none %}", GenerationFailed, "could not write"),
        ("{% for a in range(90000) %}{{ 'y' * 1000 }}{% endfor %}", ModelNotSupported, "without end"),
        ("{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}", GenerationFailed, "could not write"),
    ],
)
def test_bad_templates_end_in_a_sentence(source: str, error: type[AppError], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        render(source, user("Some text of a person"))
    assert str(caught.value).endswith(".")


def test_a_text_that_the_template_repeats_is_no_loss() -> None:
    assert text_of(render("{{ messages[0].content }}{{ messages[0].content }}", user("a"))) == "aa"
    with pytest.raises(GenerationFailed, match="picture"):
        render("{{ messages[0].content }}{{ messages[0].content }}", user("a", 1))


def test_endless_templates_are_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_MAX_SECONDS", 0.2)
    loops = "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}{{ messages[0].content }}"
    traced = sys.gettrace()
    start = time.monotonic()
    with pytest.raises(ModelNotSupported, match="too long"):
        render(loops, user("a"))
    assert time.monotonic() - start < 10
    assert sys.gettrace() is traced


def test_probing_a_template_that_always_fails_says_the_model_is_not_supported() -> None:
    with pytest.raises(ModelNotSupported, match="single question"):
        template_knows_effort("{{ raise_exception('x') }}")


def test_a_message_that_was_cut_before_its_pictures_is_one_again() -> None:
    source = "{% for m in messages %}[{{ m['role'] }}:{{ m['content'] }}]{% endfor %}"
    shown = PictureFile(Path("a.png"), "0")
    cut = (
        PromptMessage(Role.USER, "one"),
        PromptMessage(Role.USER, "two", (shown,)),
        PromptMessage(Role.USER, "three"),
    )

    segments = render_template(source, cut, ReasoningEffort.NONE, bos="", eos="")

    assert segments == (
        Markup("[user:"),
        Plain("one"),
        ImageSlot(0),
        Plain("two"),
        Markup("][user:"),
        Plain("three"),
        Markup("]"),
    )
