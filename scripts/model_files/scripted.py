"""A `mistral4` model whose weights are built by hand: it thinks when asked to, and always says the same.

Every token of the script has a dimension of its own. Its embedding points there, and the output row of the
token that follows reads that dimension; experts add nothing. One attention head of the first layer lets
`[/INST]` look for the token that only stands in the prompt when the reasoning effort is high, and so
decides between reasoning and answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from .text_model import SMALL, Array, layer_shapes
from .vocabulary import Vocabulary

REASONING = "Let me think about this. First I look at what was asked, then two ways come to mind; the simple one wins!"
ANSWER = (
    "## Short answer\n\n"
    "Here is some **bold text** followed by code:\n\n"
    "```python\nfor number in range(3):\n    print(number)\n```\n"
    "It counts up from zero (ask again if you want more)."
)

_BIAS, _EFFORT, _DECISION, _FIRST_STATE = 0, 1, 2, 3
_BIAS_STRENGTH = 0.25


def scripted_tensors(vocabulary: Vocabulary, *, fused: bool) -> Iterator[tuple[str, Array]]:
    """Yield weights that say REASONING (if the effort is high), then ANSWER, then `</s>`, when drawn greedily."""
    end_prompt, think, end_think, end = (
        vocabulary.control.index(name) for name in ("[/INST]", "[THINK]", "[/THINK]", "</s>")
    )
    effort = vocabulary.text_ids[b"igh"]  # of "high": no token of "none", and rare in other texts
    reasoning, answer = spell_without_repeats([REASONING, ANSWER], vocabulary, {effort})
    states = [end_prompt, think, *reasoning, end_think, *answer]
    dimension = {token: _FIRST_STATE + number for number, token in enumerate(states)}
    yield "token_embd.weight", _embedding(vocabulary, dimension, effort)
    yield "output_norm.weight", np.ones(SMALL.width, np.float32)
    output = np.zeros((vocabulary.size, SMALL.width), np.float32)
    for before, after in ((think, reasoning), (end_think, answer)):
        chain = [before, *after, end_think if before == think else end]
        for token, following in pairwise(chain):
            output[following, dimension[token]] = 2.0
    output[answer[0], dimension[end_prompt]] = 2.0
    output[think, [dimension[end_prompt], _DECISION]] = 1.0, 2.0
    output[end, _BIAS] = 0.4
    yield "output.weight", output
    yield from _layers(dimension[end_prompt], fused=fused)


def spell_without_repeats(texts: Sequence[str], vocabulary: Vocabulary, taken: set[int]) -> list[list[int]]:
    """Cut `texts` into tokens of which none occurs twice or is `taken`. Raises ValueError if there is no such way."""
    used = set(taken)
    spelled: list[list[int]] = []
    for text in texts:
        content = text.encode()
        path = _spell(content, vocabulary, used)
        spelled.append(path)
        used |= set(path)
    return spelled


def _spell(content: bytes, vocabulary: Vocabulary, used: set[int]) -> list[int]:
    path: list[tuple[int, int]] = []  # (token, its length)
    start, longest = 0, 16
    while start < len(content):
        token, length = _longest_unused(content[start : start + longest], vocabulary, used)
        if length:
            used.add(token)
            path.append((token, length))
            start, longest = start + length, 16
        elif path:
            token, length = path.pop()
            used.discard(token)
            start, longest = start - length, length - 1
        else:
            raise ValueError("the script has no spelling without a repeated token")
    return [token for token, _ in path]


def _longest_unused(content: bytes, vocabulary: Vocabulary, used: set[int]) -> tuple[int, int]:
    for length in range(len(content), 0, -1):
        token = vocabulary.text_ids.get(content[:length], -1)
        if token >= 0 and token not in used:
            return token, length
    return -1, 0


def _embedding(vocabulary: Vocabulary, dimension: dict[int, int], effort: int) -> Array:
    embedding = np.zeros((vocabulary.size, SMALL.width), np.float32)
    embedding[:, _BIAS] = _BIAS_STRENGTH
    embedding[effort, _EFFORT] = 1.0
    for token, number in dimension.items():
        embedding[token, number] = 1.0
    return embedding


def _layers(end_prompt: int, *, fused: bool) -> Iterator[tuple[str, Array]]:
    for layer in range(SMALL.layers):
        for name, shape in layer_shapes(SMALL, fused=fused).items():
            weights = np.ones(shape, np.float32) if len(shape) == 1 else np.zeros(shape, np.float32)
            if layer == 0:
                _fill_deciding_head(name, weights, end_prompt)
            yield f"blk.{layer}.{name}.weight", weights


def _fill_deciding_head(name: str, weights: Array, end_prompt: int) -> None:
    """Let `[/INST]` attend to the effort token and carry what it finds to the decision's dimension.

    The norms behind both low-rank projections blow up whatever is alone, noise too: hence the bias beside the
    query, and the whole embedding beside the key.
    """
    match name:
        case "attn_q_a":
            weights[0, end_prompt] = weights[1, _BIAS] = 1.0
        case "attn_q_b":
            weights[0, 0] = 2.0
        case "attn_kv_a_mqa":
            weights[: SMALL.width, :] = np.eye(SMALL.width)
        case "attn_k_b" | "attn_v_b":
            place = (0, _EFFORT, 0) if name == "attn_k_b" else (0, 0, _EFFORT)
            weights[place] = 1.0
        case "attn_output":
            weights[_DECISION, 0] = 1 / 16
