"""What a model's file says of itself, and what Solo will do differently from what it says."""

from __future__ import annotations

from app.core.facts import ModelFacts
from app.core.library import StoredModel
from app.engine.corrections import Scalar, corrections_for, describe_attention_scale
from app.models.gguf import read_model
from app.models.gguf_header import read_header

_OWN_TEMPLATE = frozenset({"mistral4"})


def describe_stored(model: StoredModel) -> tuple[tuple[str, str], ...]:
    """Return (label, value) pairs for the details of a model on disk. Raises ModelError."""
    facts = read_model(model.path)
    metadata = {
        key: value
        for key, value in read_header(facts.path).metadata.items()
        if isinstance(value, int | float | bool | str)
    }
    rows = (
        ("Name in the file", facts.name),
        ("Family", facts.arch),
        ("Quantization", facts.quantization),
        ("Layers", _layers(facts)),
        ("Context", f"made for {facts.training_context:,} tokens"),
        ("Prompt format", _template(facts)),
        *_corrections(metadata),
        ("Files", str(len(facts.files))),
        ("Projector", model.projector.name if model.projector is not None else ""),
        ("Folder", str(model.path.parent)),
    )
    return tuple((label, value) for label, value in rows if value)


def _layers(facts: ModelFacts) -> str:
    if not facts.expert_count:
        return str(facts.n_layers)
    return f"{facts.n_layers}, with {facts.experts_used} of {facts.expert_count} experts for each token"


def _template(facts: ModelFacts) -> str:
    if facts.arch in _OWN_TEMPLATE:
        return "the program’s own, token by token"
    return "the file’s template" if facts.chat_template else "ChatML (the file holds no template)"


def _corrections(metadata: dict[str, Scalar]) -> tuple[tuple[str, str], ...]:
    sentences = dict.fromkeys(correction.sentence for correction in corrections_for(metadata))
    found = tuple(("Correction in force", sentence) for sentence in sentences) or (("Corrections in force", "none"),)
    scale = describe_attention_scale(metadata)
    return (*found, ("Attention scale", scale)) if scale else found
