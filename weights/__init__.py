"""Tens of gigabytes onto a volume: whole, fast, once."""
