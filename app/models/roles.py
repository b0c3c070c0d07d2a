"""Tell from a tensor's name what it does and which layer it belongs to (names as llama.cpp defines them)."""

from __future__ import annotations

import re

from app.core.facts import TensorRole

_BLOCK = re.compile(r"blk\.(\d{1,6})\.(.+)")
_STEM_ROLES = (
    (re.compile(r"ffn_(gate_up|gate|up)_exps\b"), TensorRole.GATE_UP_EXPERTS),
    (re.compile(r"ffn_down_exps\b"), TensorRole.DOWN_EXPERTS),
    (re.compile(r"\w+_shexp\b"), TensorRole.SHARED_EXPERT),
    (re.compile(r"ffn_gate_inp\b|exp_probs_b"), TensorRole.ROUTER),
    (re.compile(r"(\w+\.)?\w*norm(_\w+)?\b"), TensorRole.NORM),
    (re.compile(r"attn_|indexer"), TensorRole.ATTENTION),
    (re.compile(r"ffn_"), TensorRole.FEED_FORWARD),
)
# What llama.cpp looks up by row at the very start; it always stays on the CPU.
_EMBEDDINGS = re.compile(r"(token_embd|position_embd|token_types|per_layer_token_embd|masked_embd_\w+)(\.\w+)?")
_OUTPUTS = re.compile(r"(output|cls|cls\.output|dense_[23])(\.\w+)?")


def tensor_role(name: str) -> tuple[TensorRole, int | None]:
    """Return the role of the tensor called `name` and its layer, None outside the layers."""
    block = _BLOCK.fullmatch(name)
    if block:
        return _role_in_layer(block[2]), int(block[1])
    if _EMBEDDINGS.fullmatch(name):
        return TensorRole.EMBEDDING, None
    if _OUTPUTS.fullmatch(name):
        return TensorRole.OUTPUT, None
    return (TensorRole.NORM if "norm" in name else TensorRole.OTHER), None


def _role_in_layer(stem: str) -> TensorRole:
    for pattern, role in _STEM_ROLES:
        if pattern.match(stem):
            return role
    return TensorRole.OTHER
