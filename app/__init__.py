"""Solo: chat with one local model on your own workstation."""

__version__ = "0.1.0"
