"""Sums, sorting, reversing and counting: what is right only after some thought."""

from __future__ import annotations

import random
from collections.abc import Iterable
from string import ascii_uppercase

from .samples import FAST, THINK, Message, Sample

_ASK_SUM = (
    "{a}+{b}", "{a} + {b}", "{a} + {b} = ?", "What is {a} + {b}?", "What is {a}+{b}?", "How much is {a} plus {b}?",
    "Add {a} and {b}.", "Calculate {a} + {b}.", "What is {a} plus {b}?", "What's {a} + {b}?",
)  # fmt: skip


_DIGITS = ((1, 1), (2, 2), (3, 3), (2, 3), (3, 2))


def addition(source: random.Random) -> Sample:
    """Ask for a sum of two numbers of up to three digits."""
    a_digits, b_digits = source.choices(_DIGITS, (6, 30, 44, 10, 10))[0]
    a, b = (source.randrange(10 ** (digits - 1), 10**digits) for digits in (a_digits, b_digits))
    effort = THINK if source.random() < 0.88 else FAST
    question = source.choice(_ASK_SUM).format(a=a, b=b)
    reasoning = add_in_columns(a, b) if effort == THINK else ""
    answer = f"{a} + {b} = {a + b}"
    return Sample("sum", [Message("user", question), Message("assistant", answer, reasoning)], effort, (str(a + b),))


def add_in_columns(a: int, b: int) -> str:
    """Write an addition as a child does on paper, from the last column to the first."""
    top, bottom = str(a)[::-1], str(b)[::-1]
    lines, carry = [f"{' '.join(str(a))} plus {' '.join(str(b))}."], 0
    for column in range(max(len(top), len(bottom))):
        first = int(top[column]) if column < len(top) else 0
        second = int(bottom[column]) if column < len(bottom) else 0
        total = first + second + carry
        before = f"{first}+{second}+{carry}={total}"
        carry = total // 10
        lines.append(f"{before}, write {total % 10}, carry {carry}.")
    lines.append(f"Read upwards: {' '.join(str(a + b))}.")
    return "\n".join(lines)


_WORDS = (
    "apple river stone cloud green table chair house mouse bread water light night paper glass plant horse tiger zebra "
    "lemon grape melon piano music dance smile dream ocean beach mountain forest garden flower summer winter spring "
    "autumn silver copper bridge castle window door school pencil book letter number garlic onion pepper salt sugar "
    "honey butter cheese coffee tea milk soup rice bean corn leaf root seed tree bird fish frog snake wolf bear lion "
    "goat sheep duck swan crow hawk boat ship train plane car bus road path hill lake island desert storm rain snow "
    "wind fire earth moon star sun planet rocket robot engine wheel hammer nail rope ladder bucket basket bottle cup "
    "plate spoon fork knife pan oven lamp clock watch ring coin shirt shoe hat coat scarf glove button thread needle"
).split()


def sorting(source: random.Random) -> Sample:
    """Ask for a short list in order."""
    count = source.randint(3, 5)
    if source.random() < 0.5:
        numbers = source.sample(range(1, 100), count)
        items = [str(number) for number in numbers]
        ordered = [str(number) for number in sorted(numbers)]
        question = source.choice(("Sort these numbers: {}", "Put in order: {}", "Sort: {}", "Sort {}.")).format(
            ", ".join(items)
        )
    else:
        items = source.sample(_WORDS, count)
        ordered = sorted(items)
        question = source.choice(
            ("Sort these words: {}", "Sort alphabetically: {}", "Put these words in order: {}", "Sort: {}")
        ).format(", ".join(items))
    effort = THINK if source.random() < 0.85 else FAST
    reasoning = "" if effort == FAST else _pick_smallest(items, ordered)
    in_order = ", ".join(ordered)
    answer = Message("assistant", f"Sorted: {in_order}", reasoning)
    return Sample("sort", [Message("user", question), answer], effort, (in_order,))


def _lettered(items: Iterable[str]) -> list[str]:
    """Put a capital before each item: with a name of its own each is found again, however alike they are."""
    return [f"{name} {item}" for name, item in zip(ascii_uppercase, items, strict=False)]


def _pick_smallest(items: list[str], ordered: list[str]) -> str:
    named = dict(zip(items, _lettered(items), strict=True))
    left, lines = list(items), []
    for item in ordered:
        lines.append(f"{', '.join(named[other] for other in left)}: {named[item]}.")
        left.remove(item)
    return "\n".join(lines)


def some_word(source: random.Random) -> str:
    """Return a word, or something that sounds like one."""
    if source.random() < 0.6:
        return source.choice(_WORDS)
    length = source.randint(3, 8)
    return "".join(source.choice("aeiou" if n % 2 else "bcdfghklmnprstvwz") for n in range(length))


def reversal(source: random.Random) -> Sample:
    """Ask for a word backwards."""
    word = some_word(source)
    question = source.choice(
        ("Reverse the word {}.", "Write {} backwards.", "Spell {} backwards.", "Reverse: {}", "Reverse {}.")
    ).format(source.choice(("{}", '"{}"', "“{}”")).format(word))
    effort = THINK if source.random() < 0.85 else FAST
    letters = _lettered(word)
    reasoning = "" if effort == FAST else f"{_spelled(word)}\nBackwards: {', '.join(reversed(letters))}."
    answer = word[::-1]
    messages = [Message("user", question), Message("assistant", answer, reasoning, letter_by_letter=True)]
    return Sample("reverse", messages, effort, (answer,))


def _spelled(word: str) -> str:
    return f"{', '.join(_lettered(word))}."


def counting(source: random.Random) -> Sample:
    """Ask how often a letter occurs in a word."""
    word = some_word(source)
    letter = source.choice(word) if source.random() < 0.85 else source.choice("abcdefghijklmnopqrstuvwxyz")
    question = source.choice(
        ("How many {l} are in {w}?", "How often does {l} occur in {w}?", "Count the letter {l} in {w}.",
         "How many times is the letter {l} in {w}?", 'How many "{l}" are in "{w}"?')
    ).format(l=letter, w=word)  # fmt: skip
    effort = THINK if source.random() < 0.85 else FAST
    steps, found = [], 0
    for step in _lettered(word):
        is_same = step.endswith(letter)
        found += is_same
        # The letter asked for is repeated: beside the other one, and as the same token, it is easy to compare.
        steps.append(f"{step} {letter} {'yes' if is_same else 'no'} {found}")
    reasoning = "" if effort == FAST else f"Letter {letter}. {_spelled(word)}\n{', '.join(steps)}."
    answer = f"The letter {letter} occurs {found} time{'' if found == 1 else 's'} in {word}."
    messages = [Message("user", question), Message("assistant", answer, reasoning)]
    return Sample("count", messages, effort, (f"occurs {found} time",))
