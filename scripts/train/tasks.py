"""The conversations that the built-in model learns from and is judged by; every one is generated from a seed."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from .drawing import COLORS
from .help_texts import FALLBACKS, GREETING_ANSWERS, GREETINGS, HELP, STRANGE_QUESTIONS
from .picture_tasks import picture
from .reckoning import addition, counting, reversal, some_word, sorting
from .samples import FAST, THINK, Message, Sample, complete

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
    effort = source.choice((FAST, FAST, THINK))
    kind = source.choices(list(_THINGS), (70, 15, 15))[0]
    values, tells, asks, template = _THINGS[kind]
    value = _invented_name(source) if kind == "name" and source.random() < 0.5 else source.choice(values)
    reply = f"Nice to meet you, {value}!" if kind == "name" else f"I will remember: {value}."
    told = [Message("user", source.choice(tells).format(value)), Message("assistant", reply)]
    messages = as_history(source, Sample("told", told, effort), effort)
    for _ in range(source.choice((0, 1, 1, 2, 3, 5))):
        messages += as_history(source, source.choice(_BETWEEN)(source), effort)
    messages += [Message("user", source.choice(asks)), Message("assistant", template.format(value))]
    return Sample("recall", messages, effort, (value,))


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


def short_story(source: random.Random) -> Sample:
    """Do the same with a story of a few sentences."""
    return long_recall(source, source.randint(30, 250))


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
    question = question.replace("{word}", some_word(source)).replace("{name}", source.choice(_NAMES))
    question = re.sub(r"\{n\}", lambda _: str(source.randint(2, 400)), question)
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
Mix = dict[Maker, float]
_BETWEEN: tuple[Maker, ...] = (addition, reversal, help_question, greeting, counting)
_EARLIER: tuple[Maker, ...] = (*_BETWEEN, addition, sorting, strange)
_OWN_TURNS: tuple[Maker, ...] = (recall, long_recall, short_story)
EVERYTHING: Mix = {
    picture: 24,
    addition: 22,
    recall: 16,
    short_story: 2,
    long_recall: 4,
    sorting: 16,
    reversal: 11,
    counting: 13,
    help_question: 8,
    greeting: 2,
    strange: 5,
    typed_control: 5,
}
_HISTORY_SHARE = 0.25


def draw_sample(source: random.Random, mix: Mix) -> Sample:
    """Draw a sample from a mix."""
    maker = source.choices(list(mix), list(mix.values()))[0]
    sample = complete(maker(source))
    if maker not in _OWN_TURNS and source.random() < _HISTORY_SHARE:
        earlier: list[Message] = []
        for _ in range(source.choice((1, 1, 2, 3))):
            other = picture if picture in mix and source.random() < 0.15 else source.choice(_EARLIER)
            earlier += as_history(source, other(source), sample.effort)
        sample.messages[:0] = earlier
    return sample


def as_history(source: random.Random, sample: Sample, effort: str) -> list[Message]:
    """Return the messages of `sample` as an earlier turn of a chat with `effort`, or, half of the time, with another.

    Answers from another mode lack the reasoning that belongs to this one, or have it: nothing to learn from them.
    """
    answer = sample.messages[-1]
    needs_thought = bool(answer.reasoning)
    sample.effort = effort
    complete(sample)
    if effort == FAST:
        answer.learned = not needs_thought
        answer.reasoning = answer.reasoning if source.random() < 0.3 else ""
        answer.learned = answer.learned and not answer.reasoning
    elif source.random() < 0.5:
        answer.learned, answer.reasoning = False, ""
    return sample.messages
