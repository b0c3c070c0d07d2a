"""How the next token is drawn: llama.cpp's sampler chain."""

from __future__ import annotations

import ctypes
import math
import secrets
from collections.abc import Sequence

import numpy as np
from llama_cpp import llama_cpp as llama

from app.core.errors import GenerationFailed
from app.core.sampling import MAX_SEED, find_complaint
from app.engine.protocol import Sampling

# Without a cut first, top_p and XTC sort the whole vocabulary for every token: 6 ms at 131,072 entries.
_WIDE_TOP_K = 1000
# Where a repetition may begin anew, as llama.cpp's own tools have it.
_DRY_BREAKERS = (b"\n", b":", b'"', b"*")


class Sampler:
    """Draw tokens for `context` as `sampling` says; use it as a context manager.

    The order is that of llama.cpp's own tools: penalties, DRY, top_k, top_p, min_p, XTC, temperature. At
    temperature 0 the likeliest token is taken after penalties and DRY. `before` is what stands in the context.
    """

    def __init__(self, sampling: Sampling, context: int, before: Sequence[int] = ()) -> None:
        self._context = context
        vocabulary = llama.llama_model_get_vocab(llama.llama_get_model(context))
        self._vocabulary_size: int = llama.llama_vocab_n_tokens(vocabulary)
        self._chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
        for stage in _stages(sampling, context):
            llama.llama_sampler_chain_add(self._chain, stage)
        for token in before[-_memory(sampling, context) :]:
            self.accept(token)

    def __enter__(self) -> Sampler:
        return self

    def __exit__(self, *_: object) -> None:
        llama.llama_sampler_free(self._chain)

    def accept(self, token: int) -> None:
        """Take note of a token that was not drawn."""
        llama.llama_sampler_accept(self._chain, token)

    def draw(self) -> int:
        """Return the next token after the last decoded one. Raises GenerationFailed for broken numbers."""
        logits = llama.llama_get_logits_ith(self._context, -1)
        # The largest of numbers with NaN among them is NaN; finding it takes some microseconds. This comes before
        # the draw, because llama.cpp's samplers do not expect broken numbers.
        if math.isfinite(np.ctypeslib.as_array(logits, (self._vocabulary_size,)).max()):
            token: int = llama.llama_sampler_sample(self._chain, self._context, -1)
            return token
        raise GenerationFailed(
            "The model's numbers overflowed, so it can't go on with this answer. Try again; if it happens "
            "again, the file may be damaged or its quantization too coarse for this graphics card: check the "
            "file, or choose another quantization."
        )


def check_sampling(sampling: Sampling) -> None:
    """Raise GenerationFailed if a value can't be used."""
    if complaint := find_complaint(sampling):
        raise GenerationFailed(f"{complaint} Change it in the settings.")


def _stages(sampling: Sampling, context: int) -> list[int]:
    stages = _looking_back(sampling, context)
    if sampling.temperature <= 0:
        return [*stages, llama.llama_sampler_init_greedy()]
    # llama.cpp takes the highest seed for none.
    seed = secrets.randbelow(MAX_SEED) if sampling.seed is None else sampling.seed % MAX_SEED
    sorts = sampling.top_p < 1 or sampling.xtc_probability > 0
    if top_k := sampling.top_k or (_WIDE_TOP_K if sorts else 0):
        stages.append(llama.llama_sampler_init_top_k(top_k))
    if sampling.top_p < 1:
        stages.append(llama.llama_sampler_init_top_p(sampling.top_p, 1))
    if sampling.min_p > 0:
        stages.append(llama.llama_sampler_init_min_p(sampling.min_p, 1))
    if sampling.xtc_probability > 0:
        stages.append(llama.llama_sampler_init_xtc(sampling.xtc_probability, sampling.xtc_threshold, 1, seed))
    stages.append(llama.llama_sampler_init_temp(sampling.temperature))
    return [*stages, llama.llama_sampler_init_dist(seed)]


def _looking_back(sampling: Sampling, context: int) -> list[int]:
    vocabulary = llama.llama_model_get_vocab(llama.llama_get_model(context))
    stages = []
    if _has_penalties(sampling):
        stages.append(
            llama.llama_sampler_init_penalties(
                llama.llama_vocab_n_tokens(vocabulary),
                _reach(sampling.penalty_last_n, context),
                sampling.repeat_penalty,
                sampling.frequency_penalty,
                sampling.presence_penalty,
            )
        )
    if sampling.dry_multiplier > 0:
        stages.append(
            llama.llama_sampler_init_dry(
                vocabulary,
                sampling.dry_multiplier,
                sampling.dry_base,
                sampling.dry_allowed_length,
                _reach(sampling.dry_last_n, context),
                (ctypes.c_char_p * len(_DRY_BREAKERS))(*_DRY_BREAKERS),
                len(_DRY_BREAKERS),
            )
        )
    return stages


def _has_penalties(sampling: Sampling) -> bool:
    return sampling.repeat_penalty != 1 or sampling.frequency_penalty != 0 or sampling.presence_penalty != 0


def _memory(sampling: Sampling, context: int) -> int:
    """Return how many tokens before the answer count; at least 1, which stands for none where nothing looks back."""
    penalties = _reach(sampling.penalty_last_n, context) if _has_penalties(sampling) else 0
    dry = _reach(sampling.dry_last_n, context) if sampling.dry_multiplier > 0 else 0
    return max(penalties, dry, 1)


def _reach(last_n: int, context: int) -> int:
    """Return how far back `last_n` looks: -1 over the whole context, and nothing looks further."""
    whole = int(llama.llama_n_ctx(context))
    return whole if last_n < 0 else min(last_n, whole)
