"""Logs: one line an event, of all programs and libraries in one form, without secrets."""
