"""llama.cpp computes what our own model of the architecture computes (scripts/train/network.py, in PyTorch).

The expected numbers lie in tests/data/parity; `python -m scripts.train.parity` writes them anew.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as llama
import llama_cpp.mtmd_cpp as mtmd
import numpy as np
import numpy.typing as npt
import pytest

DATA = Path(__file__).parents[1] / "data" / "parity"
TOLERANCE = 1e-3
BATCH = 512
Logits = npt.NDArray[np.float32]


class Reference:
    """The tiny model in llama.cpp: 32-bit cache, no flash attention, no repacking."""

    def __init__(self) -> None:
        self._quiet = llama.llama_log_callback(lambda _level, _text, _data: None)
        llama.llama_log_set(self._quiet, None)
        mtmd.mtmd_helper_log_set(self._quiet, None)
        llama.llama_backend_init()
        params = llama.llama_model_default_params()
        params.use_extra_bufts = False
        self.model = llama.llama_model_load_from_file(str(DATA / "text.gguf").encode(), params)
        assert self.model
        self.vocabulary_size = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self.model))
        context = llama.llama_context_default_params()
        context.n_ctx, context.n_batch, context.n_ubatch = 8448, BATCH, BATCH
        context.n_threads = context.n_threads_batch = 1
        context.flash_attn_type = 0
        context.type_k = context.type_v = 0
        self.context = llama.llama_init_from_model(self.model, context)
        assert self.context

    def close(self) -> None:
        llama.llama_free(self.context)
        llama.llama_model_free(self.model)

    def forget(self) -> None:
        llama.llama_memory_clear(llama.llama_get_memory(self.context), True)

    def read(self, ids: npt.NDArray[np.int64], first: int = 0, compared: int = 0) -> Logits:
        """Decode `ids` from position `first`; return the logits of the last `compared` ones."""
        found: list[Logits] = []
        for start in range(0, len(ids), BATCH):
            part = ids[start : start + BATCH]
            batch = llama.llama_batch_init(len(part), 0, 1)
            batch.n_tokens = len(part)
            wanted = [start + place >= len(ids) - compared for place in range(len(part))]
            for place, token in enumerate(part):
                batch.token[place] = int(token)
                batch.pos[place] = first + start + place
                batch.n_seq_id[place] = 1
                batch.seq_id[place][0] = 0
                batch.logits[place] = wanted[place]
            assert llama.llama_decode(self.context, batch) == 0
            found += [self._logits(place) for place, want in enumerate(wanted) if want]
            llama.llama_batch_free(batch)
        return np.array(found)

    def _logits(self, place: int) -> Logits:
        row = llama.llama_get_logits_ith(self.context, place)
        return np.ctypeslib.as_array(row, (self.vocabulary_size,)).copy()


@pytest.fixture(scope="module")
def reference() -> Iterator[Reference]:
    reference = Reference()
    yield reference
    reference.close()


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    with np.load(DATA / "expected.npz") as content:
        return dict(content)


def differ(found: Logits, wanted: Logits) -> float:
    assert found.shape == wanted.shape
    assert np.std(wanted) > 0.1, "the expected numbers say nothing"
    return float(np.abs(found - wanted).max())


def test_text(reference: Reference, expected: dict[str, Any]) -> None:
    reference.forget()
    wanted = expected["text"]
    assert differ(reference.read(expected["ids"][:48], compared=len(wanted)), wanted) < TOLERANCE


def test_text_beyond_position_8192(reference: Reference, expected: dict[str, Any]) -> None:
    reference.forget()
    wanted = expected["long_text"]
    assert differ(reference.read(expected["ids"], compared=len(wanted)), wanted) < TOLERANCE


def test_text_behind_a_picture(reference: Reference, expected: dict[str, Any]) -> None:
    reference.forget()
    ids, picture = expected["ids"][:48], expected["picture"]
    reference.read(ids)
    params = mtmd.mtmd_context_params_default()
    params.use_gpu = params.print_timings = params.warmup = False
    params.n_threads = 1
    params.image_min_tokens, params.image_max_tokens = 1, 3025
    params.flash_attn_type = 0
    projector = mtmd.mtmd_init_from_file(str(DATA / "vision.gguf").encode(), reference.model, params)
    assert projector
    chunks = mtmd.mtmd_input_chunks_init()
    pixels = (ctypes.c_uint8 * picture.size).from_buffer_copy(picture.tobytes())
    bitmap = mtmd.mtmd_bitmap_init(picture.shape[1], picture.shape[0], pixels)
    marker = mtmd.mtmd_default_marker()
    text = mtmd.mtmd_input_text(text=marker, text_len=len(marker), add_special=False, parse_special=True)
    bitmaps = (mtmd.mtmd_bitmap_p_ctypes * 1)(bitmap)
    assert mtmd.mtmd_tokenize(projector, chunks, ctypes.byref(text), bitmaps, 1) == 0
    chunk = mtmd.mtmd_input_chunks_get(chunks, 0)
    assert mtmd.mtmd_encode_chunk(projector, chunk) == 0
    wanted_rows = expected["embeddings"]
    rows = mtmd.mtmd_get_output_embd(projector)
    found = np.ctypeslib.as_array(rows, wanted_rows.shape).copy()
    breaks = picture.shape[1] // 28
    found[breaks :: breaks + 1] = wanted_rows[breaks]  # llama.cpp leaves these rows to chance
    assert differ(found, wanted_rows) < 2 * TOLERANCE
    end = llama.llama_pos()
    pointer = found.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
    decode = mtmd.mtmd_helper_decode_image_chunk
    nothing = mtmd.mtmd_helper_post_decode_callback()
    code = decode(projector, reference.context, chunk, pointer, len(ids), 0, BATCH, ctypes.byref(end), nothing, None)
    assert code == 0
    assert end.value == len(ids) + len(wanted_rows)
    wanted = expected["behind_picture"]
    logits = reference.read(ids, first=end.value, compared=len(wanted))
    mtmd.mtmd_bitmap_free(bitmap)
    mtmd.mtmd_input_chunks_free(chunks)
    mtmd.mtmd_free(projector)
    assert differ(logits, wanted) < TOLERANCE
