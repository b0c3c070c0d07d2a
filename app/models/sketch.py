"""What a model probably looks like before its file is here, so that the planner can judge it.

Sizes come from the catalogue or the Hub's listing; how they spread over a model's parts is what llama.cpp's
Q4_K_M rule gives for the families in the catalogue. The file itself replaces the sketch once it is here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.core.facts import LayerCache, ModelFacts, ProjectorFacts, TensorFact, TensorRole

# Of the experts' bytes: the share of the down projection.
_DOWN_SHARE = 0.38
_VOCABULARY = 131_072
_IMAGE_SIZE, _PATCH_SIZE = 1540, 14
_EXPERTS_OF_MOE, _USED_OF_MOE = 128, 4


@dataclass(frozen=True, slots=True)
class ModelSizes:
    """Hold the few numbers a sketch is drawn from; bytes may be rounded. `expert_bytes` 0 means dense."""

    arch: str
    weight_bytes: int
    expert_bytes: int
    n_layers: int
    embedding_length: int
    kv_bytes_per_token: int
    context_tokens: int


# For a file of which only the size is known: (bytes up to, layers, embedding length, cache bytes per token).
_BY_SIZE = (
    (1_500_000_000, 24, 2048, 65_536),
    (4_000_000_000, 28, 3072, 114_688),
    (9_000_000_000, 36, 4096, 147_456),
    (40_000_000_000, 48, 5120, 196_608),
    (1 << 62, 80, 8192, 327_680),
)


def sizes_from_bytes(weight_bytes: int) -> ModelSizes:
    """Return the sizes of a usual dense model whose file is this large."""
    _, n_layers, embedding, cache = next(row for row in _BY_SIZE if weight_bytes <= row[0])
    return ModelSizes("", weight_bytes, 0, n_layers, embedding, cache, 131_072)


def sketch_model(sizes: ModelSizes) -> ModelFacts:
    """Return facts about a model of these sizes, good enough to plan with."""
    per_layer = LayerCache(-(-sizes.kv_bytes_per_token // sizes.n_layers))
    is_mixture = sizes.expert_bytes > 0
    return ModelFacts(
        path=Path(),
        files=(),
        arch=sizes.arch,
        name="",
        quantization="",
        n_layers=sizes.n_layers,
        embedding_length=sizes.embedding_length,
        vocabulary_size=_VOCABULARY,
        training_context=sizes.context_tokens,
        kv_bytes_per_token=sizes.kv_bytes_per_token,
        expert_count=_EXPERTS_OF_MOE if is_mixture else 0,
        experts_used=_USED_OF_MOE if is_mixture else 0,
        file_bytes=sizes.weight_bytes,
        tensors=tuple(_tensors(sizes)),
        chat_template=None,
        has_attention_temperature=True,
        layer_caches=(per_layer,) * sizes.n_layers,
    )


def sketch_projector(n_bytes: int, embedding_length: int) -> ProjectorFacts | None:
    """Return facts about a projector of this size, None for one of no bytes."""
    if n_bytes <= 0:
        return None
    return ProjectorFacts(Path(), "pixtral", _PATCH_SIZE, _IMAGE_SIZE, 2, embedding_length, n_bytes)


def _tensors(sizes: ModelSizes) -> Iterator[TensorFact]:
    width = sizes.embedding_length
    table = _VOCABULARY * width
    rest = sizes.weight_bytes - sizes.expert_bytes
    embedding = min(table * 9 // 16, rest // 4)  # Q4_K
    output = min(table * 105 // 128, rest // 4)  # Q6_K
    yield TensorFact("token_embd.weight", (width, _VOCABULARY), "Q4_K", embedding, TensorRole.EMBEDDING, None)
    yield TensorFact("output.weight", (width, _VOCABULARY), "Q6_K", output, TensorRole.OUTPUT, None)
    dense = (rest - embedding - output) // sizes.n_layers
    down = int(sizes.expert_bytes * _DOWN_SHARE) // sizes.n_layers
    gate_up = sizes.expert_bytes // sizes.n_layers - down
    for layer in range(sizes.n_layers):
        name = f"blk.{layer}"
        yield TensorFact(f"{name}.attn_q.weight", (width, width), "Q4_K", dense, TensorRole.ATTENTION, layer)
        if sizes.expert_bytes:
            shape = (width, width, _EXPERTS_OF_MOE)
            yield TensorFact(
                f"{name}.ffn_gate_up_exps.weight", shape, "Q4_K", gate_up, TensorRole.GATE_UP_EXPERTS, layer
            )
            yield TensorFact(f"{name}.ffn_down_exps.weight", shape, "Q6_K", down, TensorRole.DOWN_EXPERTS, layer)
