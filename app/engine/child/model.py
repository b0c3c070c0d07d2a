"""A model that is open: its handles, and what a turn needs of it."""

from __future__ import annotations

from dataclasses import dataclass

from llama_cpp import llama_cpp as llama

from app.engine.child.prompting import Prompter
from app.engine.child.recall import Recall
from app.engine.child.rendering import Renderer
from app.engine.child.session import Session
from app.engine.child.streaming import ThinkMarks
from app.engine.child.vision import Vision
from app.engine.child.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class OpenModel:
    """Hold an open model; `handle` is llama.cpp's."""

    handle: int
    vocabulary: Vocabulary
    session: Session
    vision: Vision | None
    prompter: Prompter
    renderer: Renderer
    think_marks: ThinkMarks
    recall: Recall

    def close(self) -> None:
        """Free everything; the model can't be used any more. What it has read is saved before."""
        self.recall.close()
        if self.vision is not None:
            self.vision.close()
        llama.llama_free(self.session.context)
        llama.llama_model_free(self.handle)
