"""Read from a GGUF file's header what the program needs to know about a model or its projector."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from gguf.constants import LlamaFileType

from app.core.errors import ModelFileDamaged, ModelNotSupported
from app.core.facts import ModelFacts, ProjectorFacts, TensorFact
from app.models.gguf_header import Header, HeaderTensor, read_header
from app.models.gguf_metadata import Metadata
from app.models.gguf_parts import model_stem, split_parts
from app.models.kv_cache import count_masks, layer_caches
from app.models.roles import tensor_role

MAX_LAYERS = 512  # llama.cpp's LLAMA_MAX_LAYERS
_MAX_LENGTH = 1 << 20
_MAX_CONTEXT = 1 << 40
_MAX_NAME_LETTERS = 120
_GUESSED = int(LlamaFileType.GUESSED)  # a flag beside the type
_FILE_TYPES: dict[int, str] = {
    int(kind): kind.name.split("_", 1)[1] for kind in LlamaFileType if kind != LlamaFileType.GUESSED
}

_ENCODERS = frozenset(
    {"bert", "modern-bert", "nomic-bert", "nomic-bert-moe", "neo-bert", "jina-bert-v2", "jina-bert-v3"}
    | {"eurobert", "gemma-embedding", "t5encoder", "llama-embed"}
)
_NOT_FOR_TEXT = {
    **dict.fromkeys(("wavtokenizer-dec", "qwen3tts", "pockettts"), "a speech model"),
    **dict.fromkeys(("eagle3", "dflash", "gemma4-assistant"), "a helper that only speeds up another model"),
    **dict.fromkeys(("dream", "llada", "llada-moe", "rnd1"), "a diffusion model"),
    "imatrix": "a table for quantizing models",
}
_OTHER_TYPES = {
    "adapter": "an adapter (LoRA) for another model",
    "imatrix": "a table for quantizing models",
    "vocab": "a vocabulary without a model",
}


def read_model(path: Path) -> ModelFacts:
    """Describe the model that the file at `path`, or any part of a split model, belongs to.

    Raises ModelFileMissing, ModelFileDamaged or ModelNotSupported.
    """
    files = split_parts(path)
    headers = tuple(read_header(file) for file in files)
    first = headers[0]
    metadata = Metadata(first)
    _check_kind(first, metadata)
    _check_parts(headers)
    return _model_facts(headers, metadata)


def read_projector(path: Path) -> ProjectorFacts:
    """Describe the vision projector at `path`.

    Raises ModelFileMissing, ModelFileDamaged or ModelNotSupported.
    """
    header = read_header(path)
    metadata = Metadata(header)
    if not _is_projector(metadata):
        raise ModelNotSupported(f"{path.name} is not a projector (the part of a model that sees pictures).")
    if header.metadata.get("clip.has_vision_encoder") is not True:
        raise ModelNotSupported(f"The projector {path.name} is not for pictures and can't be used here.")
    kind = metadata.text("clip.projector_type") or metadata.text("clip.vision.projector_type")

    def vision(name: str, default: int | None = None) -> int:
        return metadata.full_integer(f"clip.vision.{name}", default, low=1, high=_MAX_LENGTH)

    return ProjectorFacts(
        path=path,
        projector_type=kind or "mlp",  # llama.cpp's default for old files
        patch_size=vision("patch_size"),
        image_size=vision("image_size"),
        spatial_merge=vision("spatial_merge_size", 1),
        embedding_length=vision("projection_dim"),
        file_bytes=header.file_bytes,
    )


def _model_facts(headers: tuple[Header, ...], metadata: Metadata) -> ModelFacts:
    first = headers[0]
    n_layers = metadata.integer("block_count", low=1, high=MAX_LAYERS)
    tensors = tuple(_tensor_fact(header, tensor, n_layers) for header in headers for tensor in header.tensors)
    caches = layer_caches(metadata, n_layers)
    expert_count = metadata.integer("expert_count", 0, high=_MAX_LENGTH)
    temperature = ("attention.temperature_scale", "attention.temperature_length")
    return ModelFacts(
        path=first.path,
        files=tuple(header.path for header in headers),
        arch=metadata.arch,
        name=_model_name(first, metadata),
        quantization=_quantization(metadata, tensors),
        n_layers=n_layers,
        embedding_length=metadata.integer("embedding_length", low=1, high=_MAX_LENGTH),
        vocabulary_size=metadata.array_length("tokenizer.ggml.tokens"),
        training_context=metadata.integer("context_length", low=1, high=_MAX_CONTEXT),
        kv_bytes_per_token=sum(cache.bytes_per_token for cache in caches),
        expert_count=expert_count,
        experts_used=metadata.first_integer("expert_used_count", 0, high=_MAX_LENGTH) if expert_count else 0,
        file_bytes=sum(header.file_bytes for header in headers),
        tensors=tensors,
        chat_template=metadata.text("tokenizer.chat_template"),
        has_attention_temperature=all(metadata.has(name) for name in temperature),
        layer_caches=caches,
        attention_masks=count_masks(metadata),
    )


def _tensor_fact(header: Header, tensor: HeaderTensor, n_layers: int) -> TensorFact:
    role, layer = tensor_role(tensor.name)
    if layer is not None and layer >= n_layers:
        raise ModelFileDamaged(
            f"The file {header.path.name} is damaged: it holds more layers than it announces. Download it again."
        )
    return TensorFact(tensor.name, tensor.shape, tensor.type_name, tensor.n_bytes, role, layer)


def _is_projector(metadata: Metadata) -> bool:
    return metadata.arch == "clip" or metadata.text("general.type") == "mmproj"


def _check_kind(header: Header, metadata: Metadata) -> None:
    name = header.path.name
    if _is_projector(metadata):
        raise ModelNotSupported(
            f"{name} is the projector (vision part) of a model. Open the model itself; "
            "its projector is found beside it."
        )
    general_type = metadata.text("general.type") or "model"
    other = _NOT_FOR_TEXT.get(metadata.arch) or _OTHER_TYPES.get(general_type)
    if other:
        raise ModelNotSupported(f"{name} is {other} and can't chat. Choose a chat model.")
    if metadata.arch in _ENCODERS or metadata.integer("pooling_type", 0, high=_MAX_LENGTH):
        raise ModelNotSupported(f"{name} is an embedding model, which can't chat. Choose a chat model.")
    if not metadata.arch:
        raise ModelFileDamaged(f"The file {name} does not say what model it holds. Download it again.")
    if not metadata.array_length("tokenizer.ggml.tokens"):
        raise ModelNotSupported(
            f"{name} has no vocabulary, so it is not a language model that can chat. Choose a chat model."
        )
    if not header.tensors and not metadata.full_integer("split.count", 0, high=_MAX_LENGTH):
        raise ModelNotSupported(f"{name} holds a vocabulary without a model. Choose a chat model.")


def _check_parts(headers: tuple[Header, ...]) -> None:
    first = headers[0].path
    counts = {Metadata(header).full_integer("split.count", 0, high=_MAX_LENGTH) for header in headers}
    if len(headers) == 1 and max(counts) > 1:
        raise ModelFileDamaged(
            f"{first.name} is one of {max(counts)} parts of a model, but its name does not say so. "
            f"Give the parts their first names again, ending in -00001-of-{max(counts):05d}.gguf and so on."
        )
    numbers = [Metadata(header).full_integer("split.no", 0, high=_MAX_LENGTH) for header in headers]
    names = [tensor.name for header in headers for tensor in header.tensors]
    announced = Metadata(headers[0]).full_integer("split.tensors.count", len(names), high=1 << 32)
    whole = numbers == list(range(len(headers))) and (len(headers) == 1 or counts == {len(headers)})
    if not whole or len(set(names)) != len(names) or announced != len(names):
        raise ModelFileDamaged(
            f"The {len(headers)} parts of {model_stem(first)} do not belong together. Download them again."
        )


def _model_name(header: Header, metadata: Metadata) -> str:
    given = metadata.text("general.name") or metadata.text("general.basename") or ""
    printable = " ".join("".join(letter if letter.isprintable() else " " for letter in given).split())
    return printable[:_MAX_NAME_LETTERS].strip() or model_stem(header.path)


def _quantization(metadata: Metadata, tensors: tuple[TensorFact, ...]) -> str:
    file_type = metadata.full_integer("general.file_type", _GUESSED, high=1 << 32)
    if file_type != _GUESSED and file_type & ~_GUESSED in _FILE_TYPES:
        return _FILE_TYPES[file_type & ~_GUESSED]
    sizes: Counter[str] = Counter()
    for tensor in tensors:
        sizes[tensor.type_name] += tensor.n_bytes
    return sizes.most_common(1)[0][0] if sizes else "unknown"
