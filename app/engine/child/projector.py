"""A vision projector (mmproj file): checked against the model and opened."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from gguf import GGUFReader
from gguf.quants import dequantize
from llama_cpp import llama_cpp as llama
from llama_cpp import mtmd_cpp as mtmd

from app.core.errors import ModelFileDamaged
from app.engine.child.cancellation import Cancellation
from app.engine.child.devices import Device
from app.engine.child.failures import explain_projector_failure, projector_mismatch
from app.engine.child.logbook import Logbook
from app.engine.child.vision import BreakRepair, Vision, watch_encoding
from app.engine.corrections import Scalar
from app.engine.pictures import CELL, LONGEST_SIDE

_BREAK_TENSOR = "v.token_embd.img_break"
# llama.cpp stops at 1024 tokens by default; the reference goes to 55 x 55. Below, it blows small pictures
# up to at least 8 tokens, the reference does not.
_PIXTRAL_TOKENS = (1, 3025)


def check_projector(path: Path, projector: Mapping[str, Scalar], model: Mapping[str, Scalar]) -> None:
    """Raise ProjectorMismatch if the header alone tells that `path` is not for this model."""
    if projector.get("general.architecture") != "clip" or not projector.get("clip.has_vision_encoder"):
        raise explain_projector_failure("", path)
    width = model.get(f"{model.get('general.architecture')}.embedding_length")
    if _is_pixtral(projector) and projector.get("clip.vision.projection_dim") not in {None, width}:
        raise projector_mismatch(path)


def open_projector(
    path: Path,
    header: Mapping[str, Scalar],
    model: int,
    *,
    device: Device | None,
    threads: int,
    cancellation: Cancellation,
    logbook: Logbook,
) -> Vision:
    """Load the projector at `path` for `model`. Raises ModelError, NotEnoughMemory, Cancelled."""
    go_on = mtmd.mtmd_progress_callback(lambda _fraction, _data: not cancellation.requested)
    params = mtmd.mtmd_context_params_default()
    params.use_gpu = device is not None
    params.device = device.handle if device is not None else None
    params.n_threads = threads
    params.print_timings = False
    params.warmup = False
    params.progress_callback = go_on
    watch = params.cb_eval = watch_encoding(cancellation)
    if _is_pixtral(header):
        params.image_min_tokens, params.image_max_tokens = _PIXTRAL_TOKENS
    logbook.forget()
    handle = mtmd.mtmd_init_from_file(os.fsencode(path), model, params)
    cancellation.check()
    if not handle:
        raise explain_projector_failure(logbook.errors(), path)
    width = llama.llama_model_n_embd_inp(model)
    try:
        repair = _break_repair(path, header, width) if _is_pixtral(header) else None
    except BaseException:
        mtmd.mtmd_free(handle)
        raise
    return Vision(handle, width, _longest_side(header), repair, cancellation, watch)


def _longest_side(header: Mapping[str, Scalar]) -> int:
    """Return the longest side of a picture that a Pixtral projector was made for, in pixels."""
    stated = header.get("clip.vision.image_size")
    if not _is_pixtral(header) or not isinstance(stated, int) or stated < CELL:
        return LONGEST_SIDE
    return min(stated, LONGEST_SIDE)


def _is_pixtral(header: Mapping[str, Scalar]) -> bool:
    return "pixtral" in {header.get("clip.projector_type"), header.get("clip.vision.projector_type")}


def _break_repair(path: Path, header: Mapping[str, Scalar], width: int) -> BreakRepair | None:
    try:
        tensor = next((t for t in GGUFReader(path).tensors if t.name == _BREAK_TENSOR), None)
        if tensor is None:
            return None
        embedding = dequantize(tensor.data, tensor.tensor_type).reshape(-1)
        token_pixels = int(header["clip.vision.patch_size"]) * int(header["clip.vision.spatial_merge_size"])
    except (ValueError, KeyError, IndexError, NotImplementedError, OSError) as cause:
        raise ModelFileDamaged(f"The projector {path.name} is damaged. Download it again.") from cause
    if embedding.size != width or token_pixels < 1:
        raise projector_mismatch(path)
    return BreakRepair(embedding, token_pixels)
