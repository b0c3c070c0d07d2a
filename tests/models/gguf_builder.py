"""Write GGUF files byte by byte, well-formed or not, without tensor data (files are sparse)."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType

DATA = Path(__file__).resolve().parents[1] / "data"
_LAYOUTS = {
    GGUFValueType.UINT32: "<I",
    GGUFValueType.INT32: "<i",
    GGUFValueType.UINT64: "<Q",
    GGUFValueType.FLOAT32: "<f",
    GGUFValueType.BOOL: "<?",
    GGUFValueType.UINT8: "<B",
}
ALIGNMENT = 32


def pack_text(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(raw)) + raw


def pack_value(value: Any) -> bytes:
    """Pack a value with its type in front; ints become u32, lists arrays of their first item's type."""
    if isinstance(value, Raw):
        return value.content
    if isinstance(value, list):
        kind = kind_of(value[0])
        items = b"".join(pack_item(item, kind) for item in value)
        return struct.pack("<IIQ", GGUFValueType.ARRAY, kind, len(value)) + items
    kind = kind_of(value)
    return struct.pack("<I", kind) + pack_item(value, kind)


def kind_of(value: Any) -> GGUFValueType:
    if isinstance(value, bool):
        return GGUFValueType.BOOL
    if isinstance(value, int):
        return GGUFValueType.UINT32
    return GGUFValueType.FLOAT32 if isinstance(value, float) else GGUFValueType.STRING


def pack_item(value: Any, kind: GGUFValueType) -> bytes:
    return pack_text(value) if kind is GGUFValueType.STRING else struct.pack(_LAYOUTS[kind], value)


@dataclass
class Raw:
    """Hold a metadata value that is already packed, type and all."""

    content: bytes


@dataclass
class Gguf:
    """Hold what goes into a file; `tensors` are (name, shape, type name)."""

    metadata: dict[str, Any] = field(default_factory=dict)
    tensors: list[tuple[str, tuple[int, ...], str]] = field(default_factory=list)
    version: int = 3

    def sizes(self) -> list[int]:
        return [tensor_bytes(shape, kind) for _, shape, kind in self.tensors]

    def header(self) -> bytes:
        pieces = [b"GGUF", struct.pack("<IQQ", self.version, len(self.tensors), len(self.metadata))]
        pieces += [pack_text(key) + pack_value(value) for key, value in self.metadata.items()]
        offset = 0
        for (name, shape, kind), size in zip(self.tensors, self.sizes(), strict=True):
            dimensions = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
            pieces.append(pack_text(name) + dimensions + struct.pack("<IQ", GGMLQuantizationType[kind], offset))
            offset += padded(size)
        return b"".join(pieces)

    def write(self, path: Path, missing_bytes: int = 0) -> Path:
        header = self.header()
        with path.open("wb") as stream:
            stream.write(header)
            sizes = self.sizes()
            data = sum(map(padded, sizes[:-1])) + sizes[-1] if sizes else 0
            stream.truncate(padded(len(header)) + data - missing_bytes)
        return path


def padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def tensor_bytes(shape: tuple[int, ...], kind: str) -> int:
    items, size = GGML_QUANT_SIZES[GGMLQuantizationType[kind]]
    count = 1
    for dimension in shape:
        count *= dimension
    return count // items * size


def small_metadata(arch: str = "llama", **own: Any) -> dict[str, Any]:
    """Return the metadata of a tiny dense model; keyword names use __ for dots, below the architecture."""
    values = {
        "block_count": 2,
        "embedding_length": 64,
        "context_length": 8192,
        "attention.head_count": 4,
        "attention.head_count_kv": 2,
    } | {key.replace("__", "."): value for key, value in own.items()}
    return {
        "general.architecture": arch,
        "general.name": "Tiny",
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": ["a", "b", "c"],
    } | {f"{arch}.{key}": value for key, value in values.items() if value is not None}


def small_tensors(n_layers: int = 2) -> list[tuple[str, tuple[int, ...], str]]:
    layers = [
        (f"blk.{layer}.{stem}.weight", shape, kind)
        for layer in range(n_layers)
        for stem, shape, kind in (
            ("attn_q", (64, 64), "Q8_0"),
            ("attn_norm", (64,), "F32"),
            ("ffn_up", (64, 96), "Q8_0"),
        )
    ]
    return [("token_embd.weight", (64, 3), "Q8_0"), *layers, ("output_norm.weight", (64,), "F32")]


def small_gguf(arch: str = "llama", **own: Any) -> Gguf:
    return Gguf(small_metadata(arch, **own), small_tensors())


def small_projector(embedding_length: int = 64) -> Gguf:
    return Gguf(
        {
            "general.architecture": "clip",
            "general.type": "mmproj",
            "clip.has_vision_encoder": True,
            "clip.projector_type": "pixtral",
            "clip.vision.projection_dim": embedding_length,
            "clip.vision.image_size": 1540,
            "clip.vision.patch_size": 14,
            "clip.vision.spatial_merge_size": 2,
        },
        [("mm.1.weight", (32, 32), "F16")],
    )


def large_table() -> list[tuple[str, tuple[int, ...], str]]:
    """Return the 119B model's tensors."""
    table = json.loads((DATA / "small4-q4_k_m.json").read_text())
    return [(name, tuple(shape), kind) for name, shape, kind in table["tensors"]]


def large_gguf() -> Gguf:
    """Return the 119B model with a vocabulary of its true size."""
    metadata = small_metadata(
        "mistral4",
        block_count=36,
        embedding_length=4096,
        context_length=1048576,
        vocab_size=131072,
        feed_forward_length=12288,
        attention__head_count=32,
        attention__head_count_kv=1,
        attention__layer_norm_rms_epsilon=1e-6,
        attention__q_lora_rank=1024,
        attention__kv_lora_rank=256,
        attention__key_length=320,
        attention__value_length=256,
        attention__key_length_mla=128,
        attention__value_length_mla=128,
        expert_count=128,
        expert_used_count=4,
        expert_shared_count=1,
        expert_feed_forward_length=2048,
        expert_weights_scale=1.0,
        expert_weights_norm=True,
        leading_dense_block_count=0,
        rope__dimension_count=64,
        rope__freq_base=10000.0,
        rope__scaling__type="yarn",
        rope__scaling__factor=128.0,
        rope__scaling__original_context_length=8192,
    )
    metadata |= {"tokenizer.ggml.pre": "tekken", "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2}
    tokens = [f"token{number}" for number in range(131072)]
    metadata["tokenizer.ggml.tokens"] = tokens
    metadata["tokenizer.ggml.merges"] = [f"a {token}" for token in tokens] * 2
    types = struct.pack("<131072i", *[1] * 131072)
    metadata["tokenizer.ggml.token_type"] = Raw(struct.pack("<IIQ", 9, GGUFValueType.INT32, 131072) + types)
    metadata["general.file_type"] = 15
    return Gguf(metadata, large_table())
