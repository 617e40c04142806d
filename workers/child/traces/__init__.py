"""Spans of attempts."""
