"""The shortest way from a model file to greedy text, without any of the program's own code."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
from llama_cpp import llama_cpp as llama

_LOG = llama.llama_log_callback(lambda _level, _text, _data: None)


class Speaker:
    """Hold a model in this process. `vocab_only` reads the vocabulary alone, `no_alloc` no weights."""

    def __init__(self, path: Path, *, vocab_only: bool = False, no_alloc: bool = False) -> None:
        llama.llama_log_set(_LOG, None)
        llama.llama_backend_init()
        params = llama.llama_model_default_params()
        params.vocab_only, params.no_alloc = vocab_only, no_alloc
        if no_alloc:
            params.load_mode = 0  # without mmap, which would map the hole
        self.model = llama.llama_model_load_from_file(str(path).encode(), params)
        assert self.model, f"llama.cpp can't load {path}"
        self.vocab = llama.llama_model_get_vocab(self.model)

    def close(self) -> None:
        """Free the model."""
        llama.llama_model_free(self.model)

    def tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        """Return the tokens of `text`, without a first `<s>`."""
        content = text.encode()
        room = len(content) + 8
        tokens = (ctypes.c_int32 * room)()
        count = llama.llama_tokenize(self.vocab, content, len(content), tokens, room, False, parse_special)
        assert count >= 0
        return list(tokens[:count])

    def answer(self, prompt: str, n_tokens: int) -> str:
        """Return what follows `prompt` greedily, control tokens included."""
        params = llama.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_threads, params.n_threads_batch = 1024, 1024, 1, 1
        context = llama.llama_init_from_model(self.model, params)
        said = b""
        batch = self.tokenize(prompt, parse_special=True)
        for _ in range(n_tokens):
            token = self._next(context, batch)
            said += self._piece(token)
            batch = [token]
            if llama.llama_vocab_is_eog(self.vocab, token):
                break
        llama.llama_free(context)
        return said.decode()

    def _next(self, context: object, batch: list[int]) -> int:
        tokens = (ctypes.c_int32 * len(batch))(*batch)
        assert llama.llama_decode(context, llama.llama_batch_get_one(tokens, len(batch))) == 0
        n_vocab = llama.llama_vocab_n_tokens(self.vocab)
        logits = np.ctypeslib.as_array(llama.llama_get_logits_ith(context, -1), (n_vocab,))
        return int(logits.argmax())

    def _piece(self, token: int) -> bytes:
        buffer = ctypes.create_string_buffer(256)
        length = llama.llama_token_to_piece(self.vocab, token, buffer, 256, 0, True)
        return buffer.raw[:length]
