"""Ask a header's metadata for values of the kind that is expected, and refuse others by name."""

from __future__ import annotations

from app.core.errors import ModelFileDamaged
from app.models.gguf_header import Header


class Metadata:
    """Read values of one header; names without a prefix are looked up below the architecture."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self.arch = self.text("general.architecture") or ""

    def has(self, name: str) -> bool:
        """Tell whether the architecture's key `name` is there."""
        return f"{self.arch}.{name}" in self._header.metadata

    def text(self, key: str) -> str | None:
        """Return the text at the full `key`, or None. Raises ModelFileDamaged."""
        value = self._header.metadata.get(key)
        if value is not None and not isinstance(value, str):
            raise self._wrong(key)
        return value

    def integer(self, name: str, default: int | None = None, *, low: int = 0, high: int) -> int:
        """Return the architecture's integer `name`. Raises ModelFileDamaged outside `low` .. `high`.

        Without a default a missing key is damage, too.
        """
        return self.full_integer(f"{self.arch}.{name}", default, low=low, high=high)

    def full_integer(self, key: str, default: int | None = None, *, low: int = 0, high: int) -> int:
        """Return the integer at the full `key`, like `integer`."""
        value = self._header.metadata.get(key)
        if value is None and key not in self._header.array_lengths and default is not None:
            return default
        return self._checked(key, value, low, high)

    def first_integer(self, name: str, default: int, *, high: int) -> int:
        """Return an integer that may be given per layer; then the first one."""
        value = self._header.metadata.get(f"{self.arch}.{name}")
        if isinstance(value, tuple):
            return self._checked(name, value[0] if value else None, 0, high)
        return self.integer(name, default, high=high)

    def per_layer(self, name: str, n_layers: int, default: tuple[int, ...]) -> tuple[int, ...]:
        """Return one number per layer, from an array or from one number for all."""
        value = self._header.metadata.get(f"{self.arch}.{name}")
        if value is None:
            return default
        values = value if isinstance(value, tuple) else (value,) * n_layers
        if len(values) < n_layers:
            raise self._wrong(name)
        return tuple(self._checked(name, item, 0, 1 << 20) for item in values[:n_layers])

    def array_length(self, key: str) -> int:
        """Return how many items the array at the full `key` has; 0 without one."""
        return self._header.array_lengths.get(key, 0)

    def _checked(self, key: str, value: object, low: int, high: int) -> int:
        if not isinstance(value, int) or not low <= value <= high:
            raise self._wrong(key)
        return int(value)

    def _wrong(self, key: str) -> ModelFileDamaged:
        return ModelFileDamaged(
            f"The file {self._header.path.name} is damaged or incomplete: its entry {key!r} is missing "
            "or impossible. Download it again."
        )
