"""Prompts as token segments, so that what a person wrote can never become a control token."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Control:
    """Stand for one control token, by its name in the vocabulary (`[INST]`, `<s>`)."""

    name: str


@dataclass(frozen=True, slots=True)
class Plain:
    """Hold text in which nothing is a control token, whatever it looks like."""

    text: str


@dataclass(frozen=True, slots=True)
class Markup:
    """Hold text from a model file's own chat template, in which control tokens are parsed."""

    text: str


@dataclass(frozen=True, slots=True)
class ImageSlot:
    """Stand for the n-th picture of the whole conversation, counted from 0."""

    index: int


Segment = Control | Plain | Markup | ImageSlot
