"""Benchmarks. Each is a command that explains itself: `python -m bench.NAME --help`.

NAME is coldload, coldstart, i2v, lipsync, preview_lipsync, queue_scaling or weights. Each prints
its report as JSON on stdout and one line for each run on stderr.
"""
