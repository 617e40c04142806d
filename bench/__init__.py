"""Benchmarks. Each is a command that explains itself: `python -m bench.NAME --help`.

NAME is api_memory, broker_depth, coldload, coldstart, first_paint, i2v, lipsync, preview_lipsync,
queue_scaling, service, statements or weights; `load` is the load generator of some. Each prints its
report as JSON on stdout and one line for each run on stderr.
"""
