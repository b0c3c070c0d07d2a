"""What the built-in model learns of sums, lists and words is true, and is cut into tokens that help."""

from __future__ import annotations

import random
import re

import pytest

from scripts.model_files.vocabulary import Vocabulary, load_tekken
from scripts.train.encoding import Encoder
from scripts.train.reckoning import addition, counting, reversal, sorting
from scripts.train.samples import THINK, Sample
from scripts.train.tasks import Maker

SAMPLES = 200


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return load_tekken(1048)


def thoughtful(maker: Maker) -> list[Sample]:
    source = random.Random(5)
    drawn = (maker(source) for _ in range(10 * SAMPLES))
    return [sample for sample in drawn if sample.effort == THINK][:SAMPLES]


def asked(sample: Sample) -> str:
    return sample.messages[-2].text


def reasoning(sample: Sample) -> str:
    return sample.messages[-1].reasoning


def answer(sample: Sample) -> str:
    return sample.messages[-1].text


def learned_pieces(vocabulary: Vocabulary, sample: Sample) -> list[str]:
    encoded = Encoder(vocabulary).encode(sample)
    control = len(vocabulary.control)
    return [
        (vocabulary.ranks[ident - control].decode() if ident >= control else vocabulary.control[ident])
        for ident, learned in zip(encoded.ids, encoded.learned, strict=True)
        if learned
    ]


def test_sums_are_right() -> None:
    for sample in thoughtful(addition):
        first, second = (int(number) for number in re.findall(r"\d+", asked(sample)))
        assert answer(sample) == f"{first} + {second} = {first + second}"
        assert reasoning(sample).endswith(f": {' '.join(str(first + second))}.")


def test_lists_are_in_order_and_every_line_picks_the_smallest_of_what_is_left() -> None:
    for sample in thoughtful(sorting):
        items = asked(sample).removeprefix("Sort ").rpartition(": ")[2].rstrip(".").split(", ")
        ordered = sorted(items, key=lambda item: (int(item) if item.isdigit() else 0, item))
        assert answer(sample) == f"Sorted: {', '.join(ordered)}"
        picked = [line.rpartition(": ")[2][2:-1] for line in reasoning(sample).splitlines()]
        assert picked == ordered
        assert all(line.count(",") == len(items) - 1 - n for n, line in enumerate(reasoning(sample).splitlines()))


def test_words_are_spelled_and_reversed_letter_by_letter(vocabulary: Vocabulary) -> None:
    for sample in thoughtful(reversal):
        spelled, backwards = (re.findall(r"[A-Z] (\w)", line) for line in reasoning(sample).splitlines())
        word = "".join(spelled)
        assert word in asked(sample)
        assert "".join(backwards) == answer(sample) == word[::-1]
        pieces = learned_pieces(vocabulary, sample)
        assert pieces[-len(word) - 1 :] == [*word[::-1], "</s>"]


def test_letters_are_counted_one_after_the_other(vocabulary: Vocabulary) -> None:
    for sample in thoughtful(counting):
        letter, word, times = answer(sample).removeprefix("The letter ")[0], "", 0
        for step in re.findall(r"[A-Z] (\w) (\w) (\w+) (\d+)", reasoning(sample)):
            times += step[0] == letter
            assert step[1:] == (letter, "yes" if step[0] == letter else "no", str(times))
            word += step[0]
        assert word in asked(sample)
        assert times == word.count(letter)
        assert f" {times} time{'' if times == 1 else 's'} in {word}." in answer(sample)
        # The letter asked for is the same token wherever it is compared (or a blank and a letter, where it is rare).
        pieces = [piece.strip() for piece in learned_pieces(vocabulary, sample)]
        assert pieces.count(letter) >= 1 + 2 * times + len(word)
