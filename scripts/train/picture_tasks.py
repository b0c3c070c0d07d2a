"""Questions about pictures."""

from __future__ import annotations

import random

from app.engine.pictures import image_grid

from .dimensions import VisionDimensions
from .drawing import Scene, draw_clutter, draw_scene
from .samples import FAST, THINK, Message, Sample

LONGEST = VisionDimensions().longest


def picture_sizes(source: random.Random) -> tuple[tuple[int, int], tuple[int, int]]:
    """Draw the size of a picture and the size that the program prepares it to: whole cells, both in pixels."""
    longest = LONGEST if source.random() < 0.8 else source.randint(60, LONGEST)
    shorter = max(28, round(longest * 0.25 ** source.random() ** 1.5))
    size = (longest, shorter) if source.random() < 0.5 else (shorter, longest)
    columns, rows = image_grid(*size, LONGEST)
    return size, (columns * 28, rows * 28)


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


NO_SHAPE = "I can only name a single plain shape. Open Models in the sidebar to get the model that sees everything."


def picture(source: random.Random) -> Sample:
    """Ask for colour, shape or side."""
    virtual, final = picture_sizes(source)
    if source.random() < 0.3:
        virtual, final = ((max(84, width), max(84, height)) for width, height in (virtual, final))
        drawing = draw_scene(source, virtual, with_side=True, final=final)
        side = drawing.scene.side
        kind, question, answer, expected = "side", source.choice(_ASK_SIDE), _side_answer(side), (side,)
    elif source.random() < 0.08:
        drawing = draw_clutter(source, final)
        kind, question, answer, expected = "clutter", source.choice(_ASK_WHAT), NO_SHAPE, ("plain shape",)
    else:
        drawing = draw_scene(source, virtual, with_side=False, final=final)
        kind, question, answer, expected = _shape_question(source, drawing.scene)
    messages = [Message("user", question, pictures=[drawing.image]), Message("assistant", answer)]
    if drawing.scene.shape and not drawing.scene.side and source.random() < 0.15:
        kind, question, answer, expected = _shape_question(source, drawing.scene)
        messages += [Message("user", question), Message("assistant", answer)]
    return Sample(kind, messages, source.choice((FAST, FAST, THINK)), expected)


def _shape_question(source: random.Random, scene: Scene) -> tuple[str, str, str, tuple[str, ...]]:
    """Return a kind, a question, its answer and what the answer must hold."""
    article = "an" if scene.color == "orange" else "a"
    whole = f"The picture shows {article} {scene.color} {scene.shape}."
    choices = (
        ("shape", source.choice(_ASK_WHAT), whole, (scene.color, scene.shape)),
        ("color", source.choice(_ASK_COLOR), f"It is {scene.color}.", (scene.color,)),
        ("form", source.choice(_ASK_SHAPE), f"It is a {scene.shape}.", (scene.shape,)),
    )
    return source.choices(choices, (60, 20, 20))[0]


def _side_answer(side: str) -> str:
    return f"The mark is on the {side}." if side in ("left", "right") else f"The mark is at the {side}."
