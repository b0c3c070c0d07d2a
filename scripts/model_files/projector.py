"""A small Pixtral projector: the big one's keys, patch size and merging, two narrow layers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np

from .text_model import SMALL, Array, write_model

_WIDTH, _LAYERS, _HEADS, _FEED_FORWARD = 128, 2, 2, 256
_PATCH, _MERGE, _LONGEST = 14, 2, 1540


def write_projector(path: Path, *, seed: int) -> None:
    """Write a random projector that fits the small text models."""
    writer = gguf.GGUFWriter(None, "clip")
    writer.add_type(gguf.GGUFType.MMPROJ)
    writer.add_name("Mini Pixtral")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type("pixtral")
    writer.add_vision_projection_dim(SMALL.width)
    writer.add_vision_image_size(_LONGEST)
    writer.add_vision_patch_size(_PATCH)
    writer.add_vision_spatial_merge_size(_MERGE)
    writer.add_vision_embedding_length(_WIDTH)
    writer.add_vision_feed_forward_length(_FEED_FORWARD)
    writer.add_vision_block_count(_LAYERS)
    writer.add_vision_head_count(_HEADS)
    writer.add_vision_attention_layernorm_eps(1e-5)
    writer.add_vision_image_mean([0.48145466, 0.4578275, 0.40821073])
    writer.add_vision_image_std([0.26862954, 0.26130258, 0.27577711])
    writer.add_vision_use_silu(True)
    write_model(path, writer, _tensors(seed))


def _tensors(seed: int) -> Iterator[tuple[str, Array]]:
    source = np.random.default_rng(seed)
    for name, shape in _shapes().items():
        if len(shape) == 1:
            is_break = name == "v.token_embd.img_break"
            yield name, source.standard_normal(shape, np.float32) if is_break else np.ones(shape, np.float32)
            continue
        fan_in = int(np.prod(shape[1:]))
        weights = source.standard_normal(shape, np.float32) * np.float32(fan_in**-0.5)
        yield name, weights.astype(np.float16)


def _shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "v.patch_embd.weight": (_WIDTH, 3, _PATCH, _PATCH),
        "v.pre_ln.weight": (_WIDTH,),
        "v.token_embd.img_break": (SMALL.width,),
        "mm.input_norm.weight": (_WIDTH,),
        "mm.patch_merger.weight": (_WIDTH, _WIDTH * _MERGE * _MERGE),
        "mm.1.weight": (SMALL.width, _WIDTH),
        "mm.2.weight": (SMALL.width, SMALL.width),
    }
    for layer in range(_LAYERS):
        block = f"v.blk.{layer}"
        shapes |= {f"{block}.{name}.weight": (_WIDTH,) for name in ("ln1", "ln2")}
        shapes |= {f"{block}.attn_{name}.weight": (_WIDTH, _WIDTH) for name in ("q", "k", "v", "out")}
        shapes |= {f"{block}.ffn_{name}.weight": (_FEED_FORWARD, _WIDTH) for name in ("gate", "up")}
        shapes[f"{block}.ffn_down.weight"] = (_WIDTH, _FEED_FORWARD)
    return shapes
