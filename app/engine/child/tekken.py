"""Mistral's way of cutting text into tokens (Tekken), where llama.cpp's differs.

WORKAROUND for src/llama-vocab.cpp, LLAMA_VOCAB_PRE_TYPE_TEKKEN: its pattern for words leaves out combining
marks and knows upper and lower case in ASCII only. Hindi, Bengali, Thai, vocalised Arabic, or a GRÖSSE in
capitals then become other tokens than the model was trained on. Texts in which that can show are cut here.
Source of the pattern: tekken_240911.json of mistral-common.
"""

from __future__ import annotations

import heapq
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import cache
from itertools import pairwise

import unicodedata2

Span = tuple[int, int]

# Lower-case letters of the basic plane that llama.cpp's tables do not know yet.
_YOUNG_LETTERS = [(0x1C8A, 0x1C8A), (0xA7CD, 0xA7CD), (0xA7DB, 0xA7DB)]
_BEYOND_BASIC_PLANE = 0x10000
_LETTERS, _DIGITS = ("Lu", "Ll", "Lt", "Lm", "Lo"), ("Nd", "Nl", "No")
_BLANKS = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"


class TekkenCutter:
    """Cut text as the model's makers do.

    `ranks` gives a token's number by its bytes, lower numbers merge first; `usual` is llama.cpp's way,
    which is taken for texts in which both agree: it is faster.
    """

    def __init__(self, ranks: Callable[[], Mapping[bytes, int]], usual: Callable[[str], list[int]]) -> None:
        self._ranks = cache(ranks)
        self._usual = usual

    def tokenize(self, text: str) -> list[int]:
        """Return the tokens of `text`, none of them a control token."""
        if text.isascii() or not _differing().search(text):
            return self._usual(text)
        return [token for word in _words().findall(text) for token in self._merge(word)]

    def _merge(self, word: str) -> list[int]:
        ranks = self._ranks()
        raw = word.encode()
        if raw in ranks:
            return [ranks[raw]]
        parts = merge_pairs(raw, ranks)
        if any(part not in ranks for part in parts):  # a vocabulary that lacks single bytes
            return self._usual(word)
        return [ranks[part] for part in parts]


def merge_pairs(raw: bytes, ranks: Mapping[bytes, int]) -> list[bytes]:
    """Return `raw` in parts, merging again and again the neighbours whose union has the lowest rank.

    It takes n log n steps for n bytes, because a word may be as long as a hostile text.
    """
    parts: list[bytes | None] = [raw[i : i + 1] for i in range(len(raw))]
    before, after = list(range(-1, len(raw) - 1)), list(range(1, len(raw) + 1))
    waiting: list[tuple[int, int, int]] = []

    def offer(left: int) -> None:
        right = after[left] if left >= 0 else len(parts)
        if right < len(parts):
            union = (parts[left] or b"") + (parts[right] or b"")
            if union in ranks:
                heapq.heappush(waiting, (ranks[union], left, len(union)))

    for left in range(len(raw) - 1):
        offer(left)
    while waiting:
        _, left, length = heapq.heappop(waiting)
        one, right = parts[left], after[left]
        other = parts[right] if right < len(parts) else None
        if one is None or other is None or len(one) + len(other) != length:
            continue  # one of the two was merged otherwise in the meantime
        parts[left], parts[right] = one + other, None
        after[left] = after[right]
        if after[left] < len(parts):
            before[after[left]] = left
        offer(before[left])
        offer(left)
    return [part for part in parts if part is not None]


@cache
def _differing() -> re.Pattern[str]:
    """Match where llama.cpp's way and the reference's may part.

    These are marks, and capitals and case beyond ASCII; and, because llama.cpp's tables are older, every letter and
    digit of a script that has its place beyond the basic plane.
    """
    ranges = _ranges()
    upper = _from(0x80, ranges["Lu"] + ranges["Lt"])
    lower = _from(0x80, ranges["Ll"])
    rare = _from(_BEYOND_BASIC_PLANE, [span for name in (*_LETTERS, *_DIGITS) for span in ranges[name]])
    return re.compile(f"[{_class(_marks(ranges) + upper + rare + _YOUNG_LETTERS)}]|[{_class(lower)}](?=[A-Z])")


@cache
def _words() -> re.Pattern[str]:
    """Return the reference's pattern; Python's `re` has no categories, so they are written out."""
    ranges = _ranges()
    either = ranges["Lm"] + ranges["Lo"] + _marks(ranges)
    upper = _class(ranges["Lu"] + ranges["Lt"] + either)
    lower = _class(ranges["Ll"] + either)
    digit = _class([span for name in _DIGITS for span in ranges[name]])
    letter = _class([span for name in _LETTERS for span in ranges[name]])
    return re.compile(
        rf"[^\r\n{letter}{digit}]?[{upper}]*[{lower}]+|[^\r\n{letter}{digit}]?[{upper}]+[{lower}]*|[{digit}]"
        rf"| ?[^{_BLANKS}{letter}{digit}]+[\r\n/]*|[{_BLANKS}]*[\r\n]+|[{_BLANKS}]+(?![^{_BLANKS}])|[{_BLANKS}]+"
    )


@cache
def _ranges() -> dict[str, list[Span]]:
    """Return the ranges of code points of every category, by the version of Unicode that the reference knows."""
    categories = [unicodedata2.category(chr(point)) for point in range(sys.maxunicode + 1)]
    edges = [0, *(i for i, (a, b) in enumerate(pairwise(categories), 1) if a != b), len(categories)]
    ranges: dict[str, list[Span]] = defaultdict(list)
    for start, stop in pairwise(edges):
        ranges[categories[start]].append((start, stop - 1))
    return ranges


def _marks(ranges: Mapping[str, list[Span]]) -> list[Span]:
    return [*ranges["Mn"], *ranges["Mc"], *ranges["Me"]]


def _from(least: int, spans: list[Span]) -> list[Span]:
    return [(max(first, least), last) for first, last in spans if last >= least]


def _class(spans: list[Span]) -> str:
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in sorted(spans))
