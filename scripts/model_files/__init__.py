"""Small model files with real metadata, made from seeds, and the header of the big one."""
