"""Background removal with InSPyReNet, for pictures and for clips.

`network` is the network and `checkpoint` its weights; `preprocess` and `composite` are what comes
before and after it.
"""
