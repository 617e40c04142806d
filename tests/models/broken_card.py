"""A card whose module cannot be imported."""

raise RuntimeError("no GPU")
