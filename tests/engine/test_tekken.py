from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.engine.child.tekken import TekkenCutter, merge_pairs
from tests.models_made.reference import make_tekkenizer

SPECIAL = 1000


@pytest.fixture(scope="module")
def reference() -> Any:
    return make_tekkenizer()


@pytest.fixture(scope="module")
def cutter(reference: Any) -> TekkenCutter:
    """A cutter that has only its own way: what llama.cpp would do must not be asked for."""
    ranks = {piece: rank + SPECIAL for piece, rank in reference._model._mergeable_ranks.items()}

    def usual(text: str) -> list[int]:
        raise LookupError(text)

    return TekkenCutter(lambda: ranks, usual)


@pytest.mark.parametrize(
    "text",
    [
        "नमस्ते दुनिया, यह हिन्दी है।",
        "বাংলা ভাষা",
        "ที่นี่ไม่มีใคร",
        "مَرْحَبًا بِالعَالَم",
        "GRÖSSE ÄÖÜ, ПриветМир, éAb",
        "A\u0300\u0301\u0302 e\u0301 \U0001f468\u200d\U0001f469\u20e3",
        "Ω\n\n  Ω \t x 12345 ½ Ⅷ\u3000\u00a0Ω!?//\r\n",
        "a\U00010d41\U00010d42 \U0001e5f1.\U000116d01",  # digits younger than Python 3.11
    ],
)
def test_words_beyond_ascii_are_cut_as_by_the_reference(cutter: TekkenCutter, reference: Any, text: str) -> None:
    assert cutter.tokenize(text) == reference.encode(text, bos=False, eos=False)


KNOWN = st.characters(codec="utf-8", max_codepoint=0x2FFF, exclude_categories=("Cn", "Cs", "Co"))


@settings(max_examples=300)
@given(st.text(KNOWN, max_size=60))
def test_every_text_is_cut_as_by_the_reference(cutter: TekkenCutter, reference: Any, text: str) -> None:
    marked = f"Ω{text}"  # a capital beyond ASCII, so that the cutter takes all of it

    assert cutter.tokenize(marked) == reference.encode(marked, bos=False, eos=False)


@pytest.mark.parametrize("text", ["plain ASCII With Case", "café straße", "日本語 한국어", ""])
def test_what_llama_cpp_cuts_well_is_left_to_it(text: str) -> None:
    cutter = TekkenCutter(dict, lambda given: [len(given)])

    assert cutter.tokenize(text) == [len(text)]


def test_a_word_as_long_as_a_text_is_merged_in_time(cutter: TekkenCutter) -> None:
    started = time.monotonic()

    cutter.tokenize("a\u0301" * 100_000)

    assert time.monotonic() - started < 20  # a second; a merge of n * n steps takes hours


@given(st.binary(max_size=40), st.lists(st.binary(min_size=2, max_size=6), max_size=30))
def test_merging_follows_the_ranks(raw: bytes, merges: list[bytes]) -> None:
    ranks = {bytes([i]): i for i in range(256)} | {pair: 256 + i for i, pair in enumerate(merges)}
    parts = [raw[i : i + 1] for i in range(len(raw))]
    while True:  # the plain way: the lowest rank first, the leftmost of equals
        unions = [ranks.get(a + b, 1 << 30) for a, b in pairwise(parts)]
        if not unions or min(unions) == 1 << 30:
            break
        i = unions.index(min(unions))
        parts[i : i + 2] = [parts[i] + parts[i + 1]]

    assert merge_pairs(raw, ranks) == parts
