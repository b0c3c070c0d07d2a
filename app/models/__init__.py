"""Model files: the GGUF reader, the catalogue, the download and the library on disk."""
