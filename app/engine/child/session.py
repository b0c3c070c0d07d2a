"""What the model has read: its memory (KV cache) and a ledger of what stands in it."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from llama_cpp import llama_cpp as llama

from app.core.errors import AppError, Cancelled, ContextFull, GenerationFailed, NotEnoughMemory

BATCH_TOKENS = 512

_SEQUENCE = 0


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """Stand for one encoded piece of a picture.

    `key` is the picture's hash and the piece's number. `tokens` is its room in the memory, `positions` how
    far it moves what follows: they differ for some model families.
    """

    key: str
    tokens: int
    positions: int


Entry = int | ImageEntry


class StateRefused(ValueError):
    """Report a saved memory that llama.cpp does not take back."""


class ImageDecoder(Protocol):
    """Put a picture into the memory."""

    def decode(self, entry: ImageEntry, context: int, position: int) -> int:
        """Decode `entry` at `position`; return llama.cpp's code, 0 for success. Raises AppError."""
        ...


def count_tokens(entries: Sequence[Entry]) -> int:
    """Return the room that `entries` take in the memory."""
    return sum(1 if isinstance(entry, int) else entry.tokens for entry in entries)


def count_shared(known: Sequence[Entry], wanted: Sequence[Entry]) -> int:
    """Return how many entries `known` and `wanted` have in common at their beginning."""
    for shared, (one, other) in enumerate(zip(known, wanted, strict=False)):
        if one != other:
            return shared
    return min(len(known), len(wanted))


def _count_positions(entries: Sequence[Entry]) -> int:
    return sum(1 if isinstance(entry, int) else entry.positions for entry in entries)


class Session:
    """Keep one conversation in the model's memory.

    The ledger says exactly what stands there. Whatever goes wrong in a decode, the memory is cut back to
    the ledger before the error is raised.
    """

    def __init__(self, context: int, images: ImageDecoder | None) -> None:
        self.context = context
        self.context_tokens: int = llama.llama_n_ctx(context)
        self.images = images
        self._memory = llama.llama_get_memory(context)
        self._batch = _Batch()
        self._ledger: list[Entry] = []
        self._tokens = 0
        self._position = 0
        model = llama.llama_get_model(context)
        self._window: int = llama.llama_model_n_swa(model)
        self.forgets_freely = not (llama.llama_model_is_recurrent(model) or llama.llama_model_is_hybrid(model))

    @property
    def tokens(self) -> int:
        """Return how much of the memory is in use."""
        return self._tokens

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Return what stands in the memory."""
        return tuple(self._ledger)

    def usable(self, known: Sequence[Entry], prompt: Sequence[Entry]) -> int:
        """Return how many entries of `prompt` need no decoding with a memory of `known`.

        At least the last entry is left to decode: what follows it is drawn from its result. Memories that sum
        up what they have read (recurrent ones) can't forget their end alone, and so are of use whole or not.
        """
        shared = count_shared(known, prompt[:-1])
        return shared if self.forgets_freely or shared == len(known) else 0

    def keep_prefix(self, prompt: Sequence[Entry]) -> int:
        """Cut the memory to what it shares with `prompt`; return how many entries need no decoding."""
        shared = self.usable(self._ledger, prompt)
        if shared < len(self._ledger):
            self._cut(shared)
        return len(self._ledger)

    def count_state_bytes(self) -> int:
        """Return how many bytes `save` would take."""
        return int(llama.llama_state_seq_get_size(self.context, _SEQUENCE))

    def save(self) -> ctypes.Array[ctypes.c_uint8]:
        """Return a copy of the memory. Raises MemoryError, and StateRefused if llama.cpp can't make one."""
        content = (ctypes.c_uint8 * self.count_state_bytes())()
        written = llama.llama_state_seq_get_data(self.context, content, len(content), _SEQUENCE)
        if written != len(content) or not written:
            raise StateRefused(f"{written} of {len(content)} bytes of the memory were copied")
        return content

    def restore(self, entries: Sequence[Entry], content: ctypes.Array[ctypes.c_uint8]) -> None:
        """Replace the memory by `content`, in which `entries` stand. Raises StateRefused; then it is empty."""
        self.clear()
        read = llama.llama_state_seq_set_data(self.context, content, len(content), _SEQUENCE)
        last = llama.llama_memory_seq_pos_max(self._memory, _SEQUENCE)
        position = _count_positions(entries)
        # Behind a picture the next position may lie further on than the last one in the memory.
        fits = last == position - 1 if isinstance(entries[-1], int) else last < position
        if read != len(content) or not fits:
            self.clear()
            raise StateRefused(f"{read} of {len(content)} bytes were taken, up to position {last} of {position}")
        self._ledger, self._tokens, self._position = list(entries), count_tokens(entries), position

    def clear(self) -> None:
        """Forget everything."""
        llama.llama_memory_clear(self._memory, True)
        self._ledger.clear()
        self._tokens = self._position = 0

    def warm_up(self, token: int) -> None:
        """Compute one step and forget it, so that what can't work fails now. Raises as `decode` does."""
        self.decode([token])
        self.clear()

    def decode(self, entries: Sequence[Entry]) -> None:
        """Put a piece of the prompt into the memory: one image, or at most BATCH_TOKENS tokens.

        Raises Cancelled, ContextFull, NotEnoughMemory, GenerationFailed.
        """
        first = entries[0]
        try:
            if isinstance(first, ImageEntry):
                code = self._decode_image(first)
            else:
                code = llama.llama_decode(self.context, self._batch.fill(entries, self._position))
            if code != 0:
                raise _explain(code)
        except AppError:
            self._cut(len(self._ledger))
            raise
        self._ledger += entries
        self._tokens += count_tokens(entries)
        self._position += _count_positions(entries)

    def _decode_image(self, entry: ImageEntry) -> int:
        if self.images is None:
            raise GenerationFailed("No projector is open, so the model can't see pictures. Open it with one.")
        return self.images.decode(entry, self.context, self._position)

    def _cut(self, length: int) -> None:
        kept = self._ledger[:length]
        position = _count_positions(kept)
        if not llama.llama_memory_seq_rm(self._memory, _SEQUENCE, position, -1) or self._lacks_window(position):
            self.clear()
            return
        self._ledger, self._tokens, self._position = kept, count_tokens(kept), position

    def _lacks_window(self, position: int) -> bool:
        """Return whether the memory has let go of tokens that the one at `position` looks back on.

        The cache of sliding-window layers may hold no more than their window.
        """
        return bool(llama.llama_memory_seq_pos_min(self._memory, _SEQUENCE) > max(0, position - self._window))


def pieces_of(entries: Sequence[Entry]) -> list[Sequence[Entry]]:
    """Return `entries` in pieces that `Session.decode` takes."""
    pieces: list[Sequence[Entry]] = []
    start = 0
    for index, entry in enumerate(entries):
        if isinstance(entry, ImageEntry):
            if start < index:
                pieces.append(entries[start:index])
            pieces.append(entries[index : index + 1])
            start = index + 1
        elif index - start == BATCH_TOKENS:
            pieces.append(entries[start:index])
            start = index
    return [*pieces, entries[start:]] if start < len(entries) else pieces


def _explain(code: int) -> AppError:
    match code:
        case 1:
            return ContextFull("The model's context is full. Start a new chat, or load with a longer context.")
        case 2:
            return Cancelled("You stopped this.")
        case -2:
            return NotEnoughMemory(
                "Memory ran out while the model was computing. Close other programs or load the model with "
                "a shorter context."
            )
        case _:
            return GenerationFailed(
                f"llama.cpp could not compute the next step (code {code}). Try again; if it happens again, "
                "load the model again. The log says more."
            )


class _Batch:
    """Hold the arrays of one llama_batch, so that none is made per token."""

    def __init__(self) -> None:
        n = BATCH_TOKENS
        self._sequence = llama.llama_seq_id(_SEQUENCE)
        sequence = ctypes.pointer(self._sequence)
        self._tokens = (llama.llama_token * n)()
        self._positions = (llama.llama_pos * n)()
        self._outputs = (ctypes.c_int8 * n)()
        self._struct = llama.llama_batch(
            n_tokens=0,
            token=self._tokens,
            embd=None,
            pos=self._positions,
            n_seq_id=(ctypes.c_int32 * n)(*[1] * n),
            seq_id=(ctypes.POINTER(llama.llama_seq_id) * n)(*[sequence] * n),
            logits=self._outputs,
        )

    def fill(self, tokens: Sequence[Any], position: int) -> Any:
        """Return the batch with `tokens` from `position` on; only the last one gives logits."""
        n = len(tokens)
        self._tokens[:n] = list(tokens)
        self._positions[:n] = list(range(position, position + n))
        ctypes.memset(self._outputs, 0, n)
        self._outputs[n - 1] = 1
        self._struct.n_tokens = n
        return self._struct
