"""Judge a model by what it answers: `python -m scripts.train.score MODEL PROJECTOR [--cases N] [--seed N]`.

The cases are drawn from a seed that training never used, and go through the program's own engine: the same prompt,
the same preparation of pictures, drawn greedily. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import queue
import random
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from app.core.facts import HostPlan, Plan
from app.core.messages import ReasoningEffort, Role
from app.engine.client import ChildEngine
from app.engine.protocol import (
    AnswerPiece,
    Died,
    EngineEvent,
    Generated,
    GenerateRequest,
    Loaded,
    LoadRequest,
    PictureFile,
    PromptMessage,
    Request,
    RequestFailed,
    Sampling,
)
from scripts.train import tasks
from scripts.train.drawing import draw_scene
from scripts.train.help_texts import HELP
from scripts.train.reckoning import addition, counting, reversal, sorting
from scripts.train.samples import FAST, THINK, Message, Sample

CONTEXT_TOKENS = 4096
_LONGEST_ANSWER = 400
_PLAN = Plan(True, CONTEXT_TOKENS, 0, (), (), (), HostPlan(0, 0), ())


class Judge:
    """Ask one model questions, one after another."""

    def __init__(self, model: Path, projector: Path) -> None:
        self._events: queue.SimpleQueue[EngineEvent] = queue.SimpleQueue()
        self._engine = ChildEngine(self._events.put)
        self._pictures = Path(tempfile.mkdtemp(prefix="solo-score-"))
        self._run(LoadRequest("load", model, projector, _PLAN, threads=1))

    def close(self) -> None:
        """End the engine."""
        self._engine.close()

    def answer(self, sample: Sample) -> str:
        """Return what the model answers to the last question of `sample`."""
        messages = tuple(self._prompt(message) for message in sample.messages[:-1])
        effort = ReasoningEffort(sample.effort)
        request = GenerateRequest("ask", messages, effort, Sampling(0.0), max_tokens=_LONGEST_ANSWER)
        return "".join(event.text for event in self._run(request) if isinstance(event, AnswerPiece))

    def _run(self, request: Request) -> list[EngineEvent]:
        self._engine.ask(request)
        seen: list[EngineEvent] = []
        while True:
            event = self._events.get()
            if isinstance(event, RequestFailed | Died):
                raise event.error
            seen.append(event)
            if isinstance(event, Loaded | Generated):
                return seen

    def _prompt(self, message: Message) -> PromptMessage:
        pictures = tuple(self._save(picture) for picture in message.pictures)
        return PromptMessage(Role(message.role), message.text, pictures, message.reasoning)

    def _save(self, picture: Image.Image) -> PictureFile:
        path = self._pictures / "picture.png"
        picture.save(path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        return PictureFile(path.rename(self._pictures / f"{sha256}.png"), sha256)


@dataclass
class Score:
    """Count right answers and keep the first wrong ones."""

    right: int = 0
    cases: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, sample: Sample, answer: str) -> None:
        """Count one answer: right when it holds everything that is expected."""
        is_right = all(expected in answer for expected in sample.expected)
        self.cases += 1
        self.right += is_right
        if not is_right and len(self.wrong) < 3:
            self.wrong.append(f"{sample.messages[-2].text[-80:]} -> {answer[:80]}")


def any_size(source: random.Random) -> tuple[int, int]:
    """Draw the size of a picture that a person may drop."""
    longest = source.randint(120, 1600)
    shorter = max(60, round(longest * source.uniform(0.35, 1.0)))
    return (longest, shorter) if source.random() < 0.5 else (shorter, longest)


def seen_sample(source: random.Random, *, with_side: bool) -> Sample:
    """Ask about a picture of any size."""
    drawing = draw_scene(source, any_size(source), with_side=with_side)
    scene = drawing.scene
    question = "On which side is the mark?" if with_side else "What is in the picture?"
    expected = (scene.side,) if with_side else (scene.color, scene.shape)
    messages = [Message("user", question, pictures=[drawing.image]), Message("assistant", "")]
    return Sample("side" if with_side else "shape", messages, FAST, expected)


def with_effort(maker: Callable[[random.Random], Sample], effort: str) -> Callable[[random.Random], Sample]:
    """Return `maker` with a fixed effort."""

    def make(source: random.Random) -> Sample:
        sample = maker(source)
        sample.effort = effort
        return sample

    return make


def new_wording(source: random.Random) -> Sample:
    """Ask for help in words that training never used."""
    entry = source.choice(HELP)
    messages = [Message("user", source.choice(entry.unseen)), Message("assistant", "")]
    return Sample("help", messages, FAST, (entry.answer,))


KINDS: dict[str, Callable[[random.Random], Sample]] = {
    "colour and shape": lambda source: seen_sample(source, with_side=False),
    "side of a mark": lambda source: seen_sample(source, with_side=True),
    "addition, think": with_effort(addition, THINK),
    "addition, fast": with_effort(addition, FAST),
    "recall": tasks.recall,
    "recall across 1,000 tokens": lambda source: tasks.long_recall(source, tokens=1150),
    "sorting, think": with_effort(sorting, THINK),
    "reversal, think": with_effort(reversal, THINK),
    "counting, think": with_effort(counting, THINK),
    "help, trained wording": with_effort(tasks.help_question, FAST),
    "help, new wording": new_wording,
    "anything else": with_effort(tasks.strange, FAST),
    "typed control words": tasks.typed_control,
}


def score(judge: Judge, cases: int, seed: int) -> dict[str, Score]:
    """Ask `cases` questions of every kind."""
    scores = {}
    for number, (name, maker) in enumerate(KINDS.items()):
        source = random.Random(seed * 1000 + number)
        scores[name] = Score()
        for _ in range(cases):
            sample = maker(source)
            scores[name].add(sample, judge.answer(sample))
    return scores


def main() -> None:
    """Print scores as JSON, and wrong answers on stderr."""
    parser = argparse.ArgumentParser(description="Judge a built-in model.")
    parser.add_argument("model", type=Path)
    parser.add_argument("projector", type=Path)
    parser.add_argument("--cases", type=int, default=50)
    parser.add_argument("--seed", type=int, default=20_000)
    options = parser.parse_args()
    judge = Judge(options.model, options.projector)
    try:
        scores = score(judge, options.cases, options.seed)
    finally:
        judge.close()
    for name, found in scores.items():
        for wrong in found.wrong:
            print(f"{name}: {wrong}", file=sys.stderr)
    print(json.dumps({name: [found.right, found.cases] for name, found in scores.items()}, indent=1))


if __name__ == "__main__":
    main()
