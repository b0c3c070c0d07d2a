"""Pictures: prepared, encoded by the projector (once each) and put into the model's memory."""

from __future__ import annotations

import ctypes
import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from llama_cpp import llama_cpp as llama
from llama_cpp import mtmd_cpp as mtmd

from app.core.errors import GenerationFailed, PictureUnreadable
from app.engine.child.cancellation import Cancellation
from app.engine.child.preparing import prepare_picture
from app.engine.child.session import BATCH_TOKENS, Entry, ImageEntry
from app.engine.protocol import PictureFile

_CACHE_BYTES = 256 << 20
_STEPS_BETWEEN_LOOKS = 16  # a layer has about thirty


@dataclass(frozen=True, slots=True)
class BreakRepair:
    """Put the embedding that ends a picture's rows where llama.cpp may have left broken numbers.

    WORKAROUND for tools/mtmd/models/pixtral.cpp: it clears those rows by scaling memory that was never
    written by 0, which leaves NaN and infinity as NaN.
    """

    embedding: Any
    token_pixels: int

    def apply(self, rows: Any, width_pixels: int) -> None:
        """Repair `rows`, the encoded picture: (tokens, width of an embedding), in place."""
        row_tokens = width_pixels // self.token_pixels
        rows[row_tokens :: row_tokens + 1] = self.embedding


@dataclass(slots=True)
class _Held:
    chunk: int
    width_pixels: int
    embeddings: Any = None

    @property
    def n_bytes(self) -> int:
        if self.embeddings is not None:
            return int(self.embeddings.nbytes)
        # mtmd holds the pixels as floats; a picture is about square.
        return 12 * self.width_pixels**2


class Vision:
    """Encode pictures with a projector; what was encoded is kept, up to a limit of bytes."""

    def __init__(
        self,
        projector: int,
        embedding_width: int,
        longest_side: int,
        repair: BreakRepair | None,
        cancellation: Cancellation,
        watch: Any = None,
    ) -> None:
        self._projector = projector
        self.longest_side_pixels = longest_side
        self._width = embedding_width
        self._repair = repair
        self._cancellation = cancellation
        self._watch = watch  # the projector calls it as long as it lives
        self._layouts: dict[str, tuple[Entry, ...]] = {}
        self._files: dict[str, PictureFile] = {}
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self.encodings = 0
        self._between = mtmd.mtmd_helper_post_decode_callback(lambda _batch, _data: cancellation.requested)

    def close(self) -> None:
        """Free everything, the projector too."""
        for held in self._held.values():
            mtmd.mtmd_input_chunk_free(held.chunk)
        self._held.clear()
        mtmd.mtmd_free(self._projector)

    def entries(self, picture: PictureFile) -> tuple[Entry, ...]:
        """Return how `picture` stands in a prompt. Raises PictureError."""
        self._files[picture.sha256] = picture
        if picture.sha256 not in self._layouts:
            self._layouts[picture.sha256] = self._prepare(picture)
        return self._layouts[picture.sha256]

    def decode(self, entry: ImageEntry, context: int, position: int) -> int:
        """Encode `entry` if that is not done, and put it into the memory; return llama.cpp's code.

        Raises Cancelled, PictureError, GenerationFailed.
        """
        held = self._encoded(entry)
        self._cancellation.check()
        end = llama.llama_pos()
        pointer = held.embeddings.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        code: int = mtmd.mtmd_helper_decode_image_chunk(
            self._projector, context, held.chunk, pointer, position, 0, BATCH_TOKENS, end, self._between, None
        )
        self._cancellation.check()
        return code

    # --- preparing ---

    def _prepare(self, picture: PictureFile) -> tuple[Entry, ...]:
        prepared = prepare_picture(_read(picture), self.longest_side_pixels)
        pixels = (ctypes.c_uint8 * len(prepared.rgb)).from_buffer_copy(prepared.rgb)
        bitmap = mtmd.mtmd_bitmap_init(prepared.width, prepared.height, pixels)
        chunks = mtmd.mtmd_input_chunks_init()
        try:
            mtmd.mtmd_bitmap_set_id(bitmap, picture.sha256.encode())
            self._tokenize(bitmap, chunks)
            return self._take_chunks(picture.sha256, chunks, prepared.width)
        finally:
            mtmd.mtmd_input_chunks_free(chunks)
            mtmd.mtmd_bitmap_free(bitmap)

    def _tokenize(self, bitmap: int, chunks: int) -> None:
        """Let mtmd make the chunks of one picture: a marker alone, so that no text of anyone is parsed."""
        marker = mtmd.mtmd_default_marker()
        text = mtmd.mtmd_input_text(text=marker, text_len=len(marker), add_special=False, parse_special=True)
        bitmaps = (mtmd.mtmd_bitmap_p_ctypes * 1)(bitmap)
        if mtmd.mtmd_tokenize(self._projector, chunks, ctypes.byref(text), bitmaps, 1) != 0:
            raise PictureUnreadable("The model's projector can't use this picture. Try another one.")

    def _take_chunks(self, sha256: str, chunks: int, width_pixels: int) -> tuple[Entry, ...]:
        entries: list[Entry] = []
        for index in range(mtmd.mtmd_input_chunks_size(chunks)):
            chunk = mtmd.mtmd_input_chunks_get(chunks, index)
            if mtmd.mtmd_input_chunk_get_type(chunk) == mtmd.MTMD_INPUT_CHUNK_TYPE_TEXT:
                count = ctypes.c_size_t()
                tokens = mtmd.mtmd_input_chunk_get_tokens_text(chunk, ctypes.byref(count))
                entries += tokens[: count.value]
                continue
            entry = ImageEntry(
                f"{sha256}/{index}",
                mtmd.mtmd_input_chunk_get_n_tokens(chunk),
                mtmd.mtmd_input_chunk_get_n_pos(chunk),
            )
            self._hold(entry, _Held(mtmd.mtmd_input_chunk_copy(chunk), width_pixels))
            entries.append(entry)
        return tuple(entries)

    # --- encoding ---

    def _encoded(self, entry: ImageEntry) -> _Held:
        if entry.key not in self._held:  # forgotten to save memory
            self._prepare(self._files[entry.key.partition("/")[0]])
        held = self._held[entry.key]
        self._held.move_to_end(entry.key)
        if held.embeddings is None:
            self._encode(entry, held)
        return held

    def _encode(self, entry: ImageEntry, held: _Held) -> None:
        self._cancellation.check()
        if mtmd.mtmd_encode_chunk(self._projector, held.chunk) != 0:
            raise GenerationFailed("The picture could not be encoded. The log says more; try a smaller picture.")
        self._cancellation.check()  # before what was left half done is taken for the picture
        self.encodings += 1
        output = mtmd.mtmd_get_output_embd(self._projector)
        rows = np.ctypeslib.as_array(output, (entry.tokens, self._width)).copy()
        if self._repair is not None:
            self._repair.apply(rows, held.width_pixels)
        if not np.isfinite(rows).all():
            raise GenerationFailed(
                "The projector's numbers overflowed on this picture. Try it again; if that does not help, "
                "the projector's file may be damaged."
            )
        # The pixels have served; what says how many tokens there are is kept.
        placeholder = mtmd.mtmd_input_chunk_get_placeholder(held.chunk)
        mtmd.mtmd_input_chunk_free(held.chunk)
        held.chunk, held.embeddings = placeholder, rows
        self._forget_oldest()

    def _hold(self, entry: ImageEntry, held: _Held) -> None:
        if old := self._held.pop(entry.key, None):
            mtmd.mtmd_input_chunk_free(old.chunk)
        self._held[entry.key] = held
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        while len(self._held) > 1 and sum(held.n_bytes for held in self._held.values()) > _CACHE_BYTES:
            _, oldest = self._held.popitem(last=False)
            mtmd.mtmd_input_chunk_free(oldest.chunk)


def watch_encoding(cancellation: Cancellation) -> Any:
    """Return a callback for a projector's computations that ends them soon after a cancel; keep it alive.

    llama.cpp has no abort callback for pictures, but lets a computation be looked at between its steps.
    """
    asked = count()

    def look(_tensor: object, is_question: bool, _data: object) -> bool:
        if is_question:
            return next(asked) % _STEPS_BETWEEN_LOOKS == 0
        return not cancellation.requested

    return llama.ggml_backend_sched_eval_callback(look)


def _read(picture: PictureFile) -> bytes:
    try:
        content = picture.path.read_bytes()
    except OSError as cause:
        raise PictureUnreadable("A picture of this chat is no longer there. Attach it again.") from cause
    if hashlib.sha256(content).hexdigest() != picture.sha256:
        raise PictureUnreadable("A picture of this chat was changed or damaged. Attach it again.")
    return content
