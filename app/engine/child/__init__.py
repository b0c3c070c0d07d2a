"""The engine's process: the only place that imports llama.cpp. Nothing but `__main__` is for the parent."""
