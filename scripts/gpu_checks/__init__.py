"""The parts of `scripts/gpu_check.sh`: each prints one finding as Markdown."""
