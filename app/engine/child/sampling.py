"""How the next token is drawn: llama.cpp's sampler chain."""

from __future__ import annotations

import math
import secrets

from llama_cpp import llama_cpp as llama

from app.core.errors import GenerationFailed
from app.engine.protocol import Sampling

# Without a cut first, top_p sorts the whole vocabulary for every token: 6 ms at 131,072 entries.
_WIDE_TOP_K = 1000


class Sampler:
    """Draw tokens as `sampling` says; use it as a context manager.

    The order is that of the model makers' own server (vLLM): temperature, top_k, top_p, min_p.
    """

    def __init__(self, sampling: Sampling) -> None:
        self._chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
        for stage in _stages(sampling):
            llama.llama_sampler_chain_add(self._chain, stage)

    def __enter__(self) -> Sampler:
        return self

    def __exit__(self, *_: object) -> None:
        llama.llama_sampler_free(self._chain)

    def draw(self, context: int) -> int:
        """Return the next token after the last decoded one. Raises GenerationFailed for broken numbers."""
        logits = llama.llama_get_logits_ith(context, -1)
        # Broken numbers spread to every logit, so two of them tell. A check of the first comes before
        # the draw, because llama.cpp's samplers do not expect them.
        if not math.isnan(logits[0]):
            token: int = llama.llama_sampler_sample(self._chain, context, -1)
            if math.isfinite(logits[token]):
                return token
        raise GenerationFailed(
            "The model's numbers overflowed, so it can't go on with this answer. Try again; if it happens "
            "again, the file may be damaged or its quantization too coarse for this graphics card: check the "
            "file, or choose another quantization."
        )


def _stages(sampling: Sampling) -> list[int]:
    if sampling.temperature <= 0:
        return [llama.llama_sampler_init_greedy()]
    stages = []
    top_k = sampling.top_k if sampling.top_k > 0 else _WIDE_TOP_K if sampling.top_p < 1 else 0
    if top_k:
        stages.append(llama.llama_sampler_init_top_k(top_k))  # the same tokens before or after temperature
    stages.append(llama.llama_sampler_init_temp(sampling.temperature))
    if sampling.top_p < 1:
        stages.append(llama.llama_sampler_init_top_p(sampling.top_p, 1))
    if sampling.min_p > 0:
        stages.append(llama.llama_sampler_init_min_p(sampling.min_p, 1))
    seed = secrets.randbits(32) if sampling.seed is None else sampling.seed & 0xFFFFFFFF
    return [*stages, llama.llama_sampler_init_dist(seed)]
