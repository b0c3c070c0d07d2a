"""Prompts by a model file's own Jinja chat template, which is code of a stranger.

The template never sees what a person wrote: it gets unguessable marks in its place, and the finished
prompt is cut at them. So typed control words stay text, and a template can't drop a text unnoticed.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jinja2.exceptions import TemplateError

from app.core.errors import GenerationFailed, ModelNotSupported
from app.core.messages import ReasoningEffort, Role
from app.engine.prompt import ImageSlot, Markup, Plain, Segment
from app.engine.protocol import PromptMessage
from app.engine.sandbox import TemplateTooCostly, compile_template, run_template

_BROKEN = "The chat template in this model’s file can’t be used ({}). Choose another file of this model."
_FAILED = "The chat template in this model’s file could not write this chat down: {}."
_LOST_TEXT = _FAILED.format("it leaves out a message or a picture. Choose another file of this model")

_PRINTED_PART = re.compile(r"""['"]type['"]: ['"]text['"]""")
_PROBE = (PromptMessage(Role.USER, "question"),)


def render_template(
    source: str, messages: Sequence[PromptMessage], effort: ReasoningEffort, *, bos: str, eos: str
) -> tuple[Segment, ...]:
    """Return the prompt of `messages` as the Jinja template `source` writes it, up to where the answer begins.

    Templates differ in what they take: contents are offered as text and, if that fails, in parts; a system
    message that the template refuses or drops is put before the first question. Raises ModelNotSupported for a
    template that is broken, GenerationFailed for one that can't write this chat down.
    """
    failure: GenerationFailed | None = None
    for in_parts in (False, True):
        for attempt in _attempts(messages):
            try:
                return _render_once(source, attempt, effort, bos=bos, eos=eos, in_parts=in_parts)
            except GenerationFailed as error:
                failure = failure or error
    raise failure or GenerationFailed(_LOST_TEXT)


def template_knows_effort(source: str) -> bool:
    """Return whether the reasoning effort changes what the template writes. Raises ModelNotSupported."""
    texts: set[str] = set()
    for effort in ReasoningEffort:
        try:
            segments = render_template(source, _PROBE, effort, bos="", eos="")
        except GenerationFailed as cause:
            raise ModelNotSupported(_BROKEN.format("it fails on a single question")) from cause
        texts.add("".join(segment.text for segment in segments if isinstance(segment, Markup)))
    return len(texts) > 1


@dataclass
class _Marks:
    """Hand out the marks that stand for texts and pictures, and cut a prompt at them."""

    secret: str = field(default_factory=lambda: secrets.token_hex(16))
    meanings: list[Plain | ImageSlot] = field(default_factory=list)
    required: set[int] = field(default_factory=set)

    def add(self, meaning: Plain | ImageSlot, *, required: bool) -> str:
        number = len(self.meanings)
        self.meanings.append(meaning)
        if required:
            self.required.add(number)
        return f"m{self.secret}n{number}e"

    def add_text(self, text: str, *, required: bool) -> str:
        """Return the mark for `text` between its own outer white space, which templates may trim."""
        core = text.strip()
        if not core:
            return text
        before, _, after = text.partition(core)
        return before + self.add(Plain(core), required=required) + after

    def cut(self, prompt: str) -> tuple[Segment, ...]:
        """Return the prompt in segments. Raises GenerationFailed if something is missing."""
        segments: list[Segment] = []
        seen: list[int] = []
        for position, piece in enumerate(re.split(f"m{self.secret}n([0-9]+)e", prompt)):
            if position % 2:
                seen.append(int(piece))
                segments.append(self.meanings[int(piece)])
            elif piece:
                segments.append(Markup(piece))
        n_pictures = sum(isinstance(segment, ImageSlot) for segment in segments)
        expected = sum(isinstance(meaning, ImageSlot) for meaning in self.meanings)
        if not self.required <= set(seen) or n_pictures != expected or self.secret in _markup(segments):
            raise GenerationFailed(_LOST_TEXT)
        return tuple(segments)


def _markup(segments: Sequence[Segment]) -> str:
    return "".join(segment.text for segment in segments if isinstance(segment, Markup))


def _attempts(messages: Sequence[PromptMessage]) -> list[Sequence[PromptMessage]]:
    attempts: list[Sequence[PromptMessage]] = [messages]
    if len(messages) > 1 and messages[0].role is Role.SYSTEM and messages[1].role is Role.USER:
        joined = f"{messages[0].text}\n\n{messages[1].text}"
        attempts.append([replace(messages[1], text=joined), *messages[2:]])
    return attempts


def _render_once(
    source: str,
    messages: Sequence[PromptMessage],
    effort: ReasoningEffort,
    *,
    bos: str,
    eos: str,
    in_parts: bool,
) -> tuple[Segment, ...]:
    marks = _Marks()
    variables = {
        "messages": _marked(messages, marks, in_parts=in_parts),
        "add_generation_prompt": True,
        "bos_token": bos,
        "eos_token": eos,
        "enable_thinking": effort is ReasoningEffort.HIGH,
        "thinking": effort is ReasoningEffort.HIGH,
        "reasoning_effort": _effort_word(source, effort),
    }
    try:
        template = compile_template(source)
    except TemplateError as cause:
        raise ModelNotSupported(_BROKEN.format(cause.message or "it is not valid Jinja")) from cause
    except RecursionError as cause:
        raise ModelNotSupported(_BROKEN.format("it is nested too deeply")) from cause
    try:
        prompt = run_template(template, variables)
    except TemplateTooCostly as cause:
        raise ModelNotSupported(_BROKEN.format(str(cause))) from cause
    except Exception as cause:  # the template is code of a stranger and raises what it likes
        raise GenerationFailed(_FAILED.format(str(cause).rstrip(".") or type(cause).__name__)) from cause
    segments = marks.cut(prompt)
    if in_parts and _PRINTED_PART.search(_markup(segments)):  # it takes contents for text after all
        raise GenerationFailed(_LOST_TEXT)
    return segments


def _marked(messages: Sequence[PromptMessage], marks: _Marks, *, in_parts: bool) -> list[dict[str, Any]]:
    marked: list[dict[str, Any]] = []
    n_pictures = 0
    for message in messages:
        slots = [ImageSlot(n_pictures + number) for number in range(len(message.pictures))]
        n_pictures += len(slots)
        content = "".join(marks.add(slot, required=True) for slot in slots)
        content += marks.add_text(message.text, required=True)
        if slots and marked and marked[-1]["role"] == message.role.value:
            content = marked.pop()["content"] + content  # the same message, cut so that pictures stand first
        entry: dict[str, Any] = {"role": message.role.value, "content": content}
        if message.reasoning:  # most templates leave out the reasoning of earlier answers
            entry["reasoning_content"] = marks.add_text(message.reasoning, required=False)
        marked.append(entry)
    if in_parts:
        return [{**entry, "content": [{"type": "text", "text": entry["content"]}]} for entry in marked]
    return marked


def _effort_word(source: str, effort: ReasoningEffort) -> str:
    """Return the effort in the template's words: families that can't stop thinking call the least `low`."""
    if effort is ReasoningEffort.NONE and not re.search(r"""['"]none['"]""", source):
        return "low"
    return effort.value
