"""Which way of writing a prompt a model gets: the program's own, its file's template, or a common one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llama_cpp import llama_cpp as llama

from app.core.messages import ReasoningEffort
from app.engine.child.vocabulary import Vocabulary
from app.engine.prompt import Segment, render_mistral
from app.engine.protocol import PromptMessage
from app.engine.template import render_template, template_knows_effort

# The family whose prompt the program writes itself: the templates inside its files differ.
_OWN_FORMAT = "mistral4"

# What llama.cpp's own tools take for a file without a template.
_CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True, slots=True)
class Renderer:
    """Render prompts; `origin` says to a person how. `first_token` must begin every prompt, if not None."""

    render: Callable[[Sequence[PromptMessage], ReasoningEffort], tuple[Segment, ...]]
    knows_effort: bool
    origin: str
    first_token: int | None


def renderer_for(model: int, arch: str, vocabulary: Vocabulary) -> Renderer:
    """Return the renderer for a model of family `arch`. Raises ModelNotSupported."""
    if arch == _OWN_FORMAT:
        return Renderer(render_mistral, knows_effort=True, origin="the program's own, token by token", first_token=None)
    template = llama.llama_model_chat_template(model, None)
    source = template.decode("utf-8", "replace") if template else _CHATML

    def render(messages: Sequence[PromptMessage], effort: ReasoningEffort) -> tuple[Segment, ...]:
        return render_template(source, messages, effort, bos=vocabulary.bos_text, eos=vocabulary.eos_text)

    return Renderer(
        render,
        knows_effort=template_knows_effort(source),
        origin="the file's template" if template else "ChatML (the file holds no template)",
        first_token=vocabulary.required_first_token,
    )
