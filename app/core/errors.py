"""Everything that can go wrong without being a bug.

AppError
├── ModelError                a model file can't be used
│   ├── ModelFileMissing
│   ├── ModelFileDamaged
│   ├── ModelNotSupported
│   └── ProjectorMismatch
├── NotEnoughMemory           RAM or VRAM, before or during a load
│   └── NotEnoughGpuMemory    VRAM for certain
├── EngineError
│   ├── EngineCrashed         the child process ended or hung
│   │   └── EngineOutOfMemory for want of RAM
│   │       └── EngineOutOfGpuMemory
│   ├── EngineUnavailable     the child process can't be started
│   ├── ModelNotLoaded        a question was asked before a model was opened
│   ├── ContextFull           the conversation does not fit the context
│   └── GenerationFailed      the model could not go on with this turn
├── PictureError
│   ├── PictureUnreadable
│   └── PictureTooLarge
├── StorageError
│   ├── DatabaseDamaged
│   ├── DatabaseTooNew
│   ├── ConversationMissing
│   ├── ExportFailed
│   └── ImportFailed
├── DownloadError
│   ├── NoNetwork
│   ├── RepositoryMissing
│   ├── AccessDenied
│   ├── DownloadInterrupted
│   └── DownloadCorrupted
├── DiskFull
└── Cancelled                 the person asked to stop

The message of each is a sentence (or two) for the person: what happened and what to do next. Raise it
`from` its cause. Anything else that is raised is a bug.
"""


class AppError(Exception):
    """Report a failure the person can understand and act on; `str()` is the sentence to show."""


class ModelError(AppError):
    """Report that a model file can't be used."""


class ModelFileMissing(ModelError):
    """Report that a model file, or a part of a split one, is not there or can't be opened."""


class ModelFileDamaged(ModelError):
    """Report that a model file is truncated or is not valid GGUF."""


class ModelNotSupported(ModelError):
    """Report that the file is a valid GGUF that this program can't chat with."""


class ProjectorMismatch(ModelError):
    """Report that a projector does not belong to the model."""


class NotEnoughMemory(AppError):
    """Report that RAM or VRAM does not hold what was asked for."""


class NotEnoughGpuMemory(NotEnoughMemory):
    """Report that it was a graphics card's memory that ran out."""


class EngineError(AppError):
    """Report that the engine could not do what it was asked."""


class EngineCrashed(EngineError):
    """Report that the engine's process ended or hung."""


class EngineOutOfMemory(EngineCrashed):
    """Report that the engine's process ended because memory ran out."""


class EngineOutOfGpuMemory(EngineOutOfMemory):
    """Report that the engine's process ended because a graphics card's memory ran out."""


class EngineUnavailable(EngineError):
    """Report that the engine's process could not be started."""


class ModelNotLoaded(EngineError):
    """Report that the engine was asked before it held a model."""


class ContextFull(EngineError):
    """Report that the conversation does not fit the model's context."""


class GenerationFailed(EngineError):
    """Report that the model could not go on with this turn."""


class PictureError(AppError):
    """Report that a picture can't be used."""


class PictureUnreadable(PictureError):
    """Report that a file is not a picture, is damaged, or is of a kind that can't be read."""


class PictureTooLarge(PictureError):
    """Report that a picture has too many bytes or pixels to be opened safely."""


class StorageError(AppError):
    """Report that a conversation can't be read or written."""


class DatabaseDamaged(StorageError):
    """Report that the conversations' file is damaged."""


class DatabaseTooNew(StorageError):
    """Report that the conversations' file was written by a newer version."""


class ConversationMissing(StorageError):
    """Report that a conversation or message is not there (any more)."""


class ExportFailed(StorageError):
    """Report that a conversation could not be exported."""


class ImportFailed(StorageError):
    """Report that a file is not a conversation that can be imported."""


class DownloadError(AppError):
    """Report that a download did not finish."""


class NoNetwork(DownloadError):
    """Report that the server can't be reached."""


class RepositoryMissing(DownloadError):
    """Report that the repository, revision or file does not exist on the server."""


class AccessDenied(DownloadError):
    """Report that the repository asks for a login or an accepted licence."""


class DownloadInterrupted(DownloadError):
    """Report that the connection broke again and again; what has arrived is kept."""


class DownloadCorrupted(DownloadError):
    """Report that what arrived is not what the server announced."""


class DiskFull(AppError):
    """Report that a volume has too little room."""


class Cancelled(AppError):
    """Report that the person asked to stop."""
