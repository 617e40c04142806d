"""A small picture that stands for a result, where it is shown in a list."""
