"""Benchmark of wav2lip: `python -m bench.lipsync --help`."""
