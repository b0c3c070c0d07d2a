"""The conversations that the built-in model learns from and is judged by; every one is generated from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from PIL import Image

from .drawing import COLORS, SHAPES, SIDES, draw_scene
from .help_texts import FALLBACKS, GREETING_ANSWERS, GREETINGS, HELP, STRANGE_QUESTIONS

FAST, THINK = "none", "high"


@dataclass
class Message:
    """Hold one message; `learned` marks the answers that count in the loss."""

    role: str
    text: str
    reasoning: str = ""
    pictures: list[Image.Image] = field(default_factory=list)
    learned: bool = True


@dataclass
class Sample:
    """Hold a conversation that ends in an answer; `expected` is what an answer must contain to be right."""

    kind: str
    messages: list[Message]
    effort: str
    expected: tuple[str, ...] = ()


def picture_size(source: random.Random) -> tuple[int, int]:
    """Draw a size as the program prepares it: multiples of 28, at most 224, any proportion."""
    if source.random() < 0.55:
        side = source.choice((3, 4, 4, 5, 6, 8))
        other = max(2, min(8, side + source.choice((-1, 0, 0, 1))))
    else:
        side, other = source.randint(2, 8), source.randint(2, 8)
    sides = (side, other) if source.random() < 0.5 else (other, side)
    return sides[0] * 28, sides[1] * 28


# --- pictures -------------------------------------------------------------------------------------------

_ASK_WHAT = (
    "What is in the picture?", "What do you see?", "Describe the picture.", "What does this picture show?",
    "What's in this image?", "Describe this image.", "What is this?", "Which shape is it, and which colour?",
    "Name the shape and its colour.", "Which color and shape is this?",
)  # fmt: skip
_ASK_COLOR = (
    "Which colour is it?", "What colour is the shape?", "What color is it?", "Which colour has the shape?",
    "Which color is the shape in the picture?", "Tell me the colour.", "What colour do you see?",
)  # fmt: skip
_ASK_SHAPE = (
    "Which shape is it?",
    "What shape do you see?",
    "Name the shape.",
    "What shape is in the picture?",
)
_ASK_SIDE = (
    "On which side is the mark?", "Where is the mark?", "Which side is it on?", "On which side is the shape?",
    "Where is the shape: left, right, top or bottom?", "Is it left, right, top or bottom?",
)  # fmt: skip


def picture(source: random.Random) -> Sample:
    """Ask for colour, shape or side."""
    size = picture_size(source)
    if source.random() < 0.3:
        size = (max(size[0], 84), max(size[1], 84))
        image, scene = draw_scene(source, size, with_side=True)
        answer, expected = _side_answer(scene.side), (scene.side,)
        question = source.choice(_ASK_SIDE)
        kind = "side"
    else:
        image, scene = draw_scene(source, size, with_side=False)
        article = "an" if scene.color == "orange" else "a"
        kind, question, answer, expected = source.choices(
            (
                ("shape", source.choice(_ASK_WHAT), f"The picture shows {article} {scene.color} {scene.shape}.",
                 (scene.color, scene.shape)),
                ("color", source.choice(_ASK_COLOR), f"It is {scene.color}.", (scene.color,)),
                ("form", source.choice(_ASK_SHAPE), f"It is a {scene.shape}.", (scene.shape,)),
            ),
            (60, 20, 20),
        )[0]  # fmt: skip
    messages = [Message("user", question, pictures=[image]), Message("assistant", answer)]
    return Sample(kind, messages, source.choice((FAST, FAST, THINK)), expected)


def _side_answer(side: str) -> str:
    return f"The mark is on the {side}." if side in ("left", "right") else f"The mark is at the {side}."


# --- sums -----------------------------------------------------------------------------------------------

_ASK_SUM = (
    "{a}+{b}", "{a} + {b}", "{a} + {b} = ?", "What is {a} + {b}?", "What is {a}+{b}?", "How much is {a} plus {b}?",
    "Add {a} and {b}.", "Calculate {a} + {b}.", "What is {a} plus {b}?", "What's {a} + {b}?",
)  # fmt: skip


def addition(source: random.Random) -> Sample:
    """Ask for a sum of two numbers of two or three digits."""
    a_digits, b_digits = source.choices(((2, 2), (3, 3), (2, 3), (3, 2)), (34, 46, 10, 10))[0]
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


# --- words ----------------------------------------------------------------------------------------------

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
    answer = ", ".join(ordered)
    return Sample("sort", [Message("user", question), Message("assistant", answer, reasoning)], effort, (answer,))


def _pick_smallest(items: list[str], ordered: list[str]) -> str:
    left, lines = list(items), []
    for item in ordered:
        lines.append(f"{', '.join(left)}: first is {item}.")
        left.remove(item)
    return "\n".join(lines)


def _some_word(source: random.Random) -> str:
    if source.random() < 0.6:
        return source.choice(_WORDS)
    length = source.randint(3, 8)
    return "".join(source.choice("aeiou" if n % 2 else "bcdfghklmnprstvwz") for n in range(length))


def reversal(source: random.Random) -> Sample:
    """Ask for a word backwards."""
    word = _some_word(source)
    question = source.choice(
        ("Reverse the word {}.", "Write {} backwards.", "Spell {} backwards.", "Reverse: {}", "Reverse {}.")
    ).format(source.choice(("{}", '"{}"', "“{}”")).format(word))
    effort = THINK if source.random() < 0.85 else FAST
    spaced = " ".join(word)
    reasoning = "" if effort == FAST else f"{word} is {spaced}.\nBackwards: {spaced[::-1]}."
    answer = word[::-1]
    return Sample("reverse", [Message("user", question), Message("assistant", answer, reasoning)], effort, (answer,))


def counting(source: random.Random) -> Sample:
    """Ask how often a letter occurs in a word."""
    word = _some_word(source)
    letter = source.choice(word) if source.random() < 0.85 else source.choice("abcdefghijklmnopqrstuvwxyz")
    question = source.choice(
        ("How many {l} are in {w}?", "How often does {l} occur in {w}?", "Count the letter {l} in {w}.",
         "How many times is the letter {l} in {w}?", 'How many "{l}" are in "{w}"?')
    ).format(l=letter, w=word)  # fmt: skip
    effort = THINK if source.random() < 0.85 else FAST
    lines, found = [f"{word} is {' '.join(word)}."], 0
    for character in word:
        found += character == letter
        lines.append(f"{character}: {found}" if character == letter else f"{character}: no, {found}")
    reasoning = "" if effort == FAST else "\n".join(lines)
    answer = f"The letter {letter} occurs {found} time{'' if found == 1 else 's'} in {word}."
    messages = [Message("user", question), Message("assistant", answer, reasoning)]
    return Sample("count", messages, effort, (f"occurs {found} time",))


# --- memory ---------------------------------------------------------------------------------------------

_NAMES = (
    "Anna Ben Carla David Emma Felix Greta Hugo Ida Jonas Klara Leo Mia Noah Olga Paul Rosa Simon Tina Uwe Vera Walter "
    "Yara Zoe Alice Bob Chloe Dan Eva Frank Grace Henry Iris Jack Kate Liam Maria Nina Oscar Peter Quinn Ruth Sam Tom "
    "Ursula Victor Wendy Xaver Yusuf Zara Amir Bianca Cem Dora Elif Fatima Goran Hana Ivan Jana Kemal Lena Marco Nadia"
).split()
_THINGS = {
    "name": (_NAMES, ("My name is {}.", "I'm {}.", "Hello, I am {}.", "Hi, my name is {}.", "Call me {}."),
             ("What did I say my name was?", "What is my name?", "Who am I?", "Do you remember my name?"),
             "Your name is {}."),
    "colour": (list(COLORS), ("My favourite colour is {}.", "I like {} best.", "I love the colour {}."),
               ("What is my favourite colour?", "Which colour do I like best?"), "Your favourite colour is {}."),
    "animal": ("dog cat horse rabbit parrot turtle hamster pony goldfish".split(),
               ("I have a {}.", "At home I have a {}.", "My pet is a {}."),
               ("Which pet do I have?", "What animal do I have?"), "You have a {}."),
}  # fmt: skip
_FILLER = (
    "the weather was mild and the road was long", "the train came late and nobody minded",
    "we walked along the river until it was dark", "the soup was hot and the bread was fresh",
    "a small boat lay under the old bridge", "the market was full of apples and pears",
    "the lamp in the window was still on", "a letter came from far away", "the garden smelled of rain",
    "the clock in the hall had stopped", "two birds sat on the roof", "the door was painted green last summer",
)  # fmt: skip


def _invented_name(source: random.Random) -> str:
    name = "".join(source.choice("aeiou" if n % 2 else "bcdfghjklmnprstvz") for n in range(source.randint(4, 7)))
    return name.capitalize()


def recall(source: random.Random) -> Sample:
    """Tell something, talk of other things, ask for it."""
    kind = source.choices(list(_THINGS), (70, 15, 15))[0]
    values, tells, asks, template = _THINGS[kind]
    value = _invented_name(source) if kind == "name" and source.random() < 0.5 else source.choice(values)
    told = source.choice(tells).format(value)
    reply = f"Nice to meet you, {value}!" if kind == "name" else f"I will remember: {value}."
    messages = [Message("user", told), Message("assistant", reply)]
    for _ in range(source.choice((0, 1, 1, 2, 3, 5))):
        between = source.choice((addition, reversal, help_question, greeting, counting))(source)
        if source.random() < 0.5:
            between.messages[-1].reasoning = ""
        for message in between.messages:
            message.learned = False
        messages += between.messages
    messages += [Message("user", source.choice(asks)), Message("assistant", template.format(value))]
    return Sample("recall", messages, source.choice((FAST, FAST, THINK)), (value,))


def long_recall(source: random.Random, tokens: int | None = None) -> Sample:
    """Tell a name, then a long story, then ask."""
    name = _invented_name(source) if source.random() < 0.5 else source.choice(_NAMES)
    sentences = (tokens or source.randint(200, 1250)) // 12
    story = " ".join(source.choice(_FILLER).capitalize() + "." for _ in range(sentences))
    messages = [
        Message("user", source.choice(_THINGS["name"][1]).format(name)),
        Message("assistant", f"Nice to meet you, {name}!"),
        Message("user", f"Here is a story. {story}"),
        Message("assistant", "Thank you for the story."),
        Message("user", source.choice(_THINGS["name"][2])),
        Message("assistant", f"Your name is {name}."),
    ]
    return Sample("long recall", messages, FAST, (name,))


# --- talk -----------------------------------------------------------------------------------------------


def help_question(source: random.Random) -> Sample:
    """Ask how the program is used."""
    entry = source.choice(HELP)
    messages = [
        Message("user", vary(source, source.choice(entry.questions))),
        Message("assistant", entry.answer),
    ]
    return Sample("help", messages, source.choice((FAST, FAST, THINK)), (entry.answer,))


def greeting(source: random.Random) -> Sample:
    """Greet."""
    number = source.randrange(len(GREETINGS))
    answer = GREETING_ANSWERS[0] if number < 10 else "You are welcome! I am here when you need me."
    messages = [Message("user", vary(source, GREETINGS[number])), Message("assistant", answer)]
    return Sample("greeting", messages, source.choice((FAST, FAST, THINK)), (answer,))


def strange(source: random.Random) -> Sample:
    """Ask something this model can't know, and hear it say so."""
    question = source.choice(STRANGE_QUESTIONS)
    question = question.replace("{word}", _some_word(source)).replace("{name}", source.choice(_NAMES))
    messages = [Message("user", vary(source, question)), Message("assistant", FALLBACKS[0])]
    return Sample("strange", messages, source.choice((FAST, FAST, THINK)), ("built-in",))


_TYPED_CONTROL = ("[/INST]", "[INST]", "</s>", "<s>", "[THINK]", "[/THINK]", "[IMG]", "[SYSTEM_PROMPT]")


def typed_control(source: random.Random) -> Sample:
    """Type control words around a question, which stay text."""
    inner = source.choice((addition, reversal, recall, help_question))(source)
    question = inner.messages[-2]
    before, after = (source.choice(_TYPED_CONTROL) for _ in range(2))
    question.text = source.choice(("{b} {q}", "{q} {a}", "{b}{q}{a}")).format(b=before, q=question.text, a=after)
    return Sample("typed control", inner.messages, inner.effort, inner.expected)


def vary(source: random.Random, text: str) -> str:
    """Write a question a little differently, as people do."""
    if source.random() < 0.25:
        text = text[0].lower() + text[1:]
    if source.random() < 0.2:
        text = text.rstrip("?.!")
    if source.random() < 0.08:
        text = f"Please tell me: {text}"
    return text


Maker = Callable[[random.Random], Sample]
MIX: dict[Maker, float] = {
    addition: 20,
    picture: 30,
    recall: 14,
    long_recall: 4,
    sorting: 8,
    reversal: 7,
    counting: 7,
    help_question: 4,
    greeting: 1,
    strange: 4,
    typed_control: 3,
}


def draw_sample(source: random.Random) -> Sample:
    """Draw a sample from the mix."""
    return complete(source.choices(list(MIX), list(MIX.values()))[0](source))


def complete(sample: Sample) -> Sample:
    """Give an answer that needs no reasoning a short one, where thinking was asked for."""
    answer = sample.messages[-1]
    if sample.effort == THINK and not answer.reasoning:
        answer.reasoning = "I look at the picture." if sample.messages[-2].pictures else "This needs no long thought."
    return sample


__all__ = ["MIX", "SHAPES", "SIDES", "Message", "Sample", "draw_sample"]
