"""GPU memory of the Wan models: estimates, the choice of an offload strategy, and its hooks."""
