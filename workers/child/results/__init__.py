"""The result of an attempt: its poster, its upload."""
