"""A conversation as its tokens, with nothing of the model loaded but the vocabulary: `--render` in place of serving."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from llama_cpp import llama_cpp as llama

from app.core.errors import AppError, ModelNotSupported
from app.engine.child.failures import explain_load_failure
from app.engine.child.header import read_header
from app.engine.child.logbook import Logbook
from app.engine.child.preflight import check_purpose
from app.engine.child.prompting import Prompter
from app.engine.child.rendering import Renderer, renderer_for
from app.engine.child.session import Entry
from app.engine.child.vocabulary import Vocabulary, open_vocabulary
from app.engine.conversation import Conversation, Size, read_conversation, read_file, size_of_picture
from app.engine.pictures import image_grid
from app.engine.protocol import PictureFile
from app.engine.wire import error_to_json


def write_rendered(model: Path, conversation: Path, out: TextIO) -> None:
    """Write one line of JSON: the tokens and the text of the conversation's prompt, or the error that prevents it."""
    logbook = Logbook()
    logbook.open()
    try:
        folder = conversation.parent
        wanted = read_conversation(read_file(conversation), lambda path: size_of_picture(folder / path))
        with open_script(model, logbook) as script:
            tokens = script.write(wanted)
            answer: dict[str, object] = {"tokens": tokens, "text": script.vocabulary.spell(tokens)}
    except AppError as error:
        answer = error_to_json(error)
    print(json.dumps(answer, separators=(",", ":")), file=out, flush=True)


@dataclass(frozen=True, slots=True)
class Script:
    """Hold how a model's prompts are written, and in which tokens."""

    vocabulary: Vocabulary
    renderer: Renderer

    def write(self, conversation: Conversation) -> list[int]:
        """Return the tokens of the prompt. Raises ModelNotSupported, GenerationFailed."""
        pictures = _PictureMarks(self.vocabulary, conversation.sizes)
        prompter = Prompter(self.renderer.render, self.vocabulary, pictures, self.renderer.first_token)
        prompt = prompter.build(conversation.messages, conversation.effort)
        return [entry for entry in prompt.entries if isinstance(entry, int)]


@contextmanager
def open_script(path: Path, logbook: Logbook) -> Iterator[Script]:
    """Open the vocabulary of the model at `path`. Raises ModelError."""
    header = read_header(path, logbook)
    check_purpose(header, path.name)
    params = llama.llama_model_default_params()
    params.vocab_only = True
    logbook.forget()
    handle = llama.llama_model_load_from_file(os.fsencode(path), params)
    if not handle:
        raise explain_load_failure(logbook.errors(), path)
    try:
        vocabulary = open_vocabulary(handle, header)
        arch = str(header.get("general.architecture", ""))
        yield Script(vocabulary, renderer_for(handle, arch, vocabulary))
    finally:
        llama.llama_model_free(handle)


class _PictureMarks:
    """Write the reference's tokens where a picture's embeddings would stand."""

    def __init__(self, vocabulary: Vocabulary, sizes: Sequence[Size]) -> None:
        self._vocabulary = vocabulary
        self._sizes = sizes

    def entries(self, picture: PictureFile) -> tuple[Entry, ...]:
        """Return the tokens of the picture that `picture` numbers."""
        cell, row_end, end = (self._mark(name) for name in ("[IMG]", "[IMG_BREAK]", "[IMG_END]"))
        columns, rows = image_grid(*self._sizes[int(picture.sha256)])
        row = [cell] * columns
        return (*[*row, row_end] * (rows - 1), *row, end)

    def _mark(self, name: str) -> int:
        token = self._vocabulary.single(name)
        if token is None:
            raise ModelNotSupported(
                "Only this model's projector knows which tokens a picture takes. Render the conversation without it."
            )
        return token
