"""From trained PyTorch weights to GGUF files, through the same writers as the random models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

from scripts.model_files.quantizer import quantize
from scripts.model_files.text_model import ARCH, Dimensions, add_metadata, add_vocabulary, write_model
from scripts.model_files.vocabulary import Vocabulary

from .dimensions import TextDimensions
from .encoding import PIXEL_MEAN, PIXEL_STD
from .network import TextModel, VisionTower

Array = npt.NDArray[np.float32]
NAME = "Solo mini"


def export_text(model: TextModel, vocabulary: Vocabulary, path: Path) -> None:
    """Write the language model as 32-bit floats."""
    dims = model.dims
    writer = gguf.GGUFWriter(None, ARCH)
    add_metadata(
        writer,
        _file_dimensions(dims),
        dims.vocabulary,
        name=NAME,
        temperature_keys=True,
        attention_scale=False,
    )
    add_vocabulary(writer, vocabulary)
    write_model(path, writer, text_tensors(model))


def export_quantized(model: TextModel, vocabulary: Vocabulary, path: Path) -> None:
    """Write the language model as Q4_K_M."""
    plain = path.with_suffix(".f32.gguf")
    export_text(model, vocabulary, plain)
    quantize(plain, path)
    plain.unlink()


def export_vision(tower: VisionTower, path: Path, *, half: bool = True) -> None:
    """Write the projector: matrices as 16-bit floats (or, without `half`, 32-bit), the rest as 32-bit ones."""
    dims = tower.dims
    writer = gguf.GGUFWriter(None, "clip")
    writer.add_type(gguf.GGUFType.MMPROJ)
    writer.add_name(f"{NAME} vision")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16 if half else gguf.LlamaFileType.ALL_F32)
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type("pixtral")
    writer.add_vision_projection_dim(tower.project_out.out_features)
    writer.add_vision_image_size(dims.longest)
    writer.add_vision_patch_size(dims.patch)
    writer.add_vision_spatial_merge_size(dims.merge)
    writer.add_vision_embedding_length(dims.width)
    writer.add_vision_feed_forward_length(dims.feed_forward)
    writer.add_vision_block_count(dims.layers)
    writer.add_vision_head_count(dims.heads)
    writer.add_vision_attention_layernorm_eps(1e-5)
    writer.add_vision_image_mean(PIXEL_MEAN.tolist())
    writer.add_vision_image_std(PIXEL_STD.tolist())
    writer.add_vision_use_silu(True)
    tensors = (
        (name, weights.astype(np.float16) if half and weights.ndim > 1 else weights)
        for name, weights in vision_tensors(tower)
    )
    write_model(path, writer, tensors)


def text_tensors(model: TextModel) -> Iterator[tuple[str, Array]]:
    """Yield every tensor under its GGUF name, in NumPy's order."""
    dims = model.dims
    state = {name: value.detach().float().cpu().numpy() for name, value in model.state_dict().items()}
    yield "token_embd.weight", state["embedding.weight"]
    yield "output_norm.weight", state["norm.weight"]
    yield "output.weight", state["output.weight"]
    for layer in range(dims.layers):
        for name, weights in _layer_tensors(state, f"blocks.{layer}.", dims).items():
            yield f"blk.{layer}.{name}.weight", np.ascontiguousarray(weights)


def _layer_tensors(state: dict[str, Array], block: str, dims: TextDimensions) -> dict[str, Array]:
    attention, mixture = f"{block}attention.", f"{block}mixture."
    routed = dims.experts * dims.expert_width
    gate, up = (state[f"{mixture}{name}.weight"] for name in ("gate", "up"))
    down = state[f"{mixture}down.weight"]

    def by_head(weights: Array) -> Array:
        return weights.reshape(dims.heads, -1, dims.kv_lora)

    by_expert = (dims.experts, dims.expert_width, dims.width)
    return {
        "attn_norm": state[f"{block}attention_norm.weight"],
        "attn_q_a": state[f"{attention}q_a.weight"],
        "attn_q_a_norm": state[f"{attention}q_a_norm.weight"],
        "attn_q_b": state[f"{attention}q_b.weight"],
        "attn_kv_a_mqa": state[f"{attention}kv_a.weight"],
        "attn_kv_a_norm": state[f"{attention}kv_a_norm.weight"],
        "attn_k_b": by_head(state[f"{attention}k_b.weight"]).transpose(0, 2, 1),
        "attn_v_b": by_head(state[f"{attention}v_b.weight"]),
        "attn_output": state[f"{attention}out.weight"],
        "ffn_norm": state[f"{block}mixture_norm.weight"],
        "ffn_gate_inp": state[f"{mixture}router.weight"],
        "ffn_gate_up_exps": np.concatenate((gate[:routed].reshape(by_expert), up[:routed].reshape(by_expert)), axis=1),
        "ffn_down_exps": down[:, :routed].reshape(dims.width, dims.experts, dims.expert_width).transpose(1, 0, 2),
        "ffn_gate_shexp": gate[routed:],
        "ffn_up_shexp": up[routed:],
        "ffn_down_shexp": down[:, routed:],
    }


def vision_tensors(tower: VisionTower) -> Iterator[tuple[str, Array]]:
    """Yield every tensor of the projector under its GGUF name."""
    state = {name: value.detach().float().cpu().numpy() for name, value in tower.state_dict().items()}
    yield "v.patch_embd.weight", state["patches.weight"]
    yield "v.pre_ln.weight", state["pre_norm.weight"]
    yield "v.token_embd.img_break", state["row_break"]
    yield "mm.input_norm.weight", state["merge_norm.weight"]
    yield "mm.patch_merger.weight", state["merge.weight"]
    yield "mm.1.weight", state["project_in.weight"]
    yield "mm.2.weight", state["project_out.weight"]
    names = {
        "ln1": "attention_norm", "ln2": "mlp_norm", "attn_q": "attention.q", "attn_k": "attention.k",
        "attn_v": "attention.v", "attn_out": "attention.out", "ffn_gate": "gate", "ffn_up": "up", "ffn_down": "down",
    }  # fmt: skip
    for layer in range(tower.dims.layers):
        for name, ours in names.items():
            yield f"v.blk.{layer}.{name}.weight", state[f"blocks.{layer}.{ours}.weight"]


def _file_dimensions(dims: TextDimensions) -> Dimensions:
    return Dimensions(
        dims.width, dims.layers, dims.heads, dims.q_lora, dims.kv_lora, dims.nope, dims.rope, dims.value,
        dims.experts, dims.experts_used, dims.expert_width,
    )  # fmt: skip
