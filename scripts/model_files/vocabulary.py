"""Tekken vocabularies in the form GGUF holds them, cut to any number of ranks."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import gguf
import mistral_common

TEKKEN_FILE = Path(mistral_common.__file__).parent / "data" / "tekken_240911.json"
N_CONTROL = 1000
FULL_RANKS = 131072 - N_CONTROL
SMALL_RANKS = 4096 - N_CONTROL
MIDDLE_RANKS = 16384 - N_CONTROL

_NAMED_CONTROL = (
    "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]",
    "[PREFIX]", "[MIDDLE]", "[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]",
    *(f"<SPECIAL_{n}>" for n in range(20, 32)),
    "[ARGS]", "[CALL_ID]", "[THINK]", "[/THINK]", "[MODEL_SETTINGS]", "[/MODEL_SETTINGS]",
)  # fmt: skip
CONTROL_TOKENS = (*_NAMED_CONTROL, *(f"<SPECIAL_{n}>" for n in range(len(_NAMED_CONTROL), N_CONTROL)))


@dataclass(frozen=True)
class Vocabulary:
    """Hold the control tokens and the byte strings of the text tokens that follow them."""

    control: tuple[str, ...]
    ranks: tuple[bytes, ...]

    @property
    def size(self) -> int:
        """Return the number of tokens."""
        return len(self.control) + len(self.ranks)

    @cached_property
    def text_ids(self) -> dict[bytes, int]:
        """Return the id of every text token."""
        return {piece: len(self.control) + rank for rank, piece in enumerate(self.ranks)}

    @property
    def speakable_ids(self) -> list[int]:
        """Return the ids of the text tokens that are printable by themselves."""
        return [token_id for piece, token_id in self.text_ids.items() if _is_printable(piece)]

    def tokens(self) -> list[str]:
        """Return every token as GGUF spells it: bytes as the printable characters of GPT-2."""
        return [*self.control, *(_spell(piece) for piece in self.ranks)]

    def token_types(self) -> list[int]:
        """Return the GGUF type of every token."""
        types = [int(gguf.TokenType.CONTROL)] * len(self.control)
        return types + [int(gguf.TokenType.NORMAL)] * len(self.ranks)

    def merges(self) -> list[str]:
        """Return the merges of a byte-pair encoding, rebuilt from the ranks as llama.cpp's converter does."""
        rank_of = {piece: rank for rank, piece in enumerate(self.ranks)}
        merges: list[str] = []
        for piece in self.ranks[256:]:
            splits = ((piece[:cut], piece[cut:]) for cut in range(1, len(piece)))
            known = [(rank_of[a], rank_of[b], a, b) for a, b in splits if a in rank_of and b in rank_of]
            merges += [f"{_spell(left)} {_spell(right)}" for _, _, left, right in sorted(known)]
        return merges


def load_tekken(n_ranks: int) -> Vocabulary:
    """Read the first `n_ranks` text tokens of the Tekken vocabulary, behind Mistral Small 4's control tokens."""
    content = json.loads(TEKKEN_FILE.read_text(encoding="utf-8"))
    ranks = tuple(base64.b64decode(entry["token_bytes"]) for entry in content["vocab"][:n_ranks])
    return Vocabulary(CONTROL_TOKENS, ranks)


def tekken_pattern() -> str:
    """Return the regular expression that cuts text into words before they are encoded."""
    content = json.loads(TEKKEN_FILE.read_text(encoding="utf-8"))
    return str(content["config"]["pattern"])


def _is_printable(piece: bytes) -> bool:
    try:
        return piece.decode().replace("\n", "").isprintable()
    except UnicodeDecodeError:
        return False


def _byte_alphabet() -> list[str]:
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) if byte in printable else chr(256 + others.index(byte)) for byte in range(256)]


_ALPHABET = _byte_alphabet()


def _spell(piece: bytes) -> str:
    return "".join(_ALPHABET[byte] for byte in piece)
