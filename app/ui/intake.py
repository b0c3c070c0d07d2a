"""What the person gives the program: pictures for the message, model files to open, chats to import."""

from __future__ import annotations

import uuid
from pathlib import Path

from app.chat.protocol import Service
from app.ui.commands import Commands
from app.ui.drops import Given, PictureEncoder
from app.ui.file_dialogs import CHATS, PICTURES, ask_file, ask_files
from app.ui.window import MainWindow

_PASTED = "Pasted picture.png"
_PROJECTOR = "mmproj"  # part of the name llama.cpp gives every projector


class Intake:
    """Take what is pasted, dropped or picked."""

    def __init__(self, window: MainWindow, commands: Commands, service: Service) -> None:
        self._window = window
        self._commands = commands
        self._service = service
        self._encoder = PictureEncoder()
        self._encoder.encoded.connect(lambda request_id, content: service.attach_bytes(request_id, _PASTED, content))

    def take(self, given: Given) -> None:
        """Take what was pasted or dropped."""
        if given.models:
            self._open(given.models)
        for path in given.chats:
            self._service.import_conversation(path)
        if given.is_remote:
            self._window.toast.say("Solo never loads pictures from the network. Save it first, then drop the file.")
        if given.files or given.content or given.image is not None:
            self._window.show_page("chat")
        self.attach_files(list(given.files))
        if given.content:
            name = f"Pasted picture.{given.content_suffix}"
            self._service.attach_bytes(self._attach(name), name, given.content)
        elif given.image is not None:
            self._encoder.encode(self._attach(_PASTED), given.image)

    def _open(self, files: tuple[Path, ...]) -> None:
        """Open the model among `files`, with the projector if one came along."""
        models = [path for path in files if _PROJECTOR not in path.name.lower()]
        projectors = [path for path in files if path not in models]
        projector = projectors[0] if projectors else None
        if models:
            self._commands.open_model(models[0], projector)
        elif projector is not None:
            self._commands.use_projector(projector)

    def attach_files(self, paths: list[Path]) -> None:
        """Add pictures to the message."""
        for path in paths:
            self._service.attach_file(self._attach(path.name), path)

    def pick_pictures(self) -> None:
        """Let the person choose pictures."""
        ask_files(self._window, "Add pictures", PICTURES, self.attach_files)

    def pick_chat(self) -> None:
        """Let the person choose an exported chat."""
        ask_file(self._window, "Import a chat", CHATS, self._service.import_conversation)

    def _attach(self, name: str) -> str:
        request_id = uuid.uuid4().hex
        self._window.chat.composer.attach(request_id, name)
        return request_id
