"""Background removal of clips, frame by frame in flat memory.

`run` is the pipeline; `smoothing`, `stretching` and `edges` make steady maps of what a network for
single pictures finds in each frame. None of it has been judged on real clips yet.
"""
