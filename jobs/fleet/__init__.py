"""The workers: registration, the weights that each has, and requests to prefetch weights."""
