"""A model's vocabulary: text to tokens, tokens to bytes, and which of them mean something."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import groupby

from llama_cpp import llama_cpp as llama

from app.core.errors import ModelNotSupported
from app.engine.child.tekken import TekkenCutter

_PIECE_BYTES = 256
_TEKKEN = "tekken"


def open_vocabulary(model: int, metadata: Mapping[str, object]) -> Vocabulary:
    """Return the vocabulary of an open model whose file says `metadata`. Raises ModelNotSupported."""
    if llama.llama_model_has_encoder(model) or llama.llama_model_is_diffusion(model):
        raise ModelNotSupported(
            "This model does not write word after word, so this program can't chat with it. Choose a chat model."
        )
    vocabulary = Vocabulary(llama.llama_model_get_vocab(model), str(metadata.get("tokenizer.ggml.pre", "")))
    if vocabulary.kind == llama.LLAMA_VOCAB_TYPE_NONE or vocabulary.size < 2:
        raise ModelNotSupported("The file holds no vocabulary, so the model can't be asked. Choose another file.")
    return vocabulary


class Vocabulary:
    """Wrap llama.cpp's vocabulary; token ids are ints. `pre` names how it cuts text into words."""

    def __init__(self, handle: int, pre: str = "") -> None:
        self._handle = handle
        self._piece = ctypes.create_string_buffer(_PIECE_BYTES)
        self.size: int = llama.llama_vocab_n_tokens(handle)
        # Bound to the object, so that the cache goes when the model goes.
        self.control = cache(self._control)
        self._tekken = TekkenCutter(self._ranks, self._tokenize_text) if pre == _TEKKEN else None

    @property
    def kind(self) -> int:
        """Return llama.cpp's number for the kind of tokenizer; 0 is none."""
        return int(llama.llama_vocab_type(self._handle))

    @property
    def bos_text(self) -> str:
        """Return the text of the token that begins a sequence, or nothing."""
        return self._text(llama.llama_vocab_bos(self._handle))

    @property
    def eos_text(self) -> str:
        """Return the text of the token that ends a sequence, or nothing."""
        return self._text(llama.llama_vocab_eos(self._handle))

    @property
    def required_first_token(self) -> int | None:
        """Return the token that every sequence must begin with, or None."""
        return self.first_token if llama.llama_vocab_get_add_bos(self._handle) else None

    @property
    def first_token(self) -> int:
        """Return a token that a sequence may begin with."""
        return max(int(llama.llama_vocab_bos(self._handle)), 0)

    def tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        """Return the tokens of `text`, adding none; control tokens only if `parse_special`."""
        text = _without_surrogates(text)
        if self._tekken is not None and not parse_special:
            return self._tekken.tokenize(text)
        return self._tokenize(text, parse_special=parse_special)

    def _tokenize_text(self, text: str) -> list[int]:
        return self._tokenize(text, parse_special=False)

    def _tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        raw = text.encode()
        room = len(raw) + 8  # every token but an inserted leading blank takes at least one byte
        while True:
            tokens = (llama.llama_token * room)()
            count = llama.llama_tokenize(self._handle, raw, len(raw), tokens, room, False, parse_special)
            if count >= 0:
                return list(tokens[:count])
            room = -count

    def is_control(self, token: int) -> bool:
        """Return whether `token` steers the model and stands for no text."""
        return bool(llama.llama_vocab_is_control(self._handle, token))

    def ends_answer(self, token: int) -> bool:
        """Return whether `token` ends an answer."""
        return bool(llama.llama_vocab_is_eog(self._handle, token))

    def single(self, name: str) -> int | None:
        """Return the one token that `name` is by itself, or None."""
        tokens = self.tokenize(name, parse_special=True)
        return tokens[0] if len(tokens) == 1 and self._text(tokens[0]) == name else None

    def _control(self, name: str) -> int:
        """Return the id of the control token called `name`. Raises ModelNotSupported."""
        token = self.single(name)
        if token is None or not self.is_control(token):
            raise ModelNotSupported(
                f"The model's vocabulary has no control token {name}, so it can't be asked in its own "
                "format. Choose another file of this model."
            )
        return token

    def piece(self, token: int) -> bytes:
        """Return the bytes of `token`; none for a control token."""
        while True:
            size = len(self._piece)
            count = llama.llama_token_to_piece(self._handle, token, self._piece, size, 0, False)
            if count >= 0:
                return self._piece.raw[:count]
            self._piece = ctypes.create_string_buffer(-count)

    def spell(self, tokens: Iterable[int]) -> str:
        """Return what `tokens` stand for, control tokens by their names."""
        runs = groupby(tokens, key=self.is_control)
        return "".join(
            "".join(map(self._text, run)) if control else b"".join(map(self.piece, run)).decode("utf-8", "replace")
            for control, run in runs
        )

    def _ranks(self) -> dict[bytes, int]:
        """Return the text tokens by their bytes; in this kind of vocabulary their order is that of merging."""
        tokens = ((self.piece(token), token) for token in range(self.size) if not self.is_control(token))
        return {piece: token for piece, token in tokens if piece}

    def _text(self, token: int) -> str:
        if not 0 <= token < self.size:
            return ""
        return (llama.llama_vocab_get_text(self._handle, token) or b"").decode("utf-8", "replace")


def _without_surrogates(text: str) -> str:
    """Replace lone surrogates, which are not text, by the sign for that, as the reference's tokenizer does."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
