"""GPU memory of large models: what the offload plans of all of them share.

Each model has strategies and estimates of its own; here are the budget that they divide and the
hooks by which a network streams through a GPU.
"""
