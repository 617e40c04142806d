"""Connections of callers: how many may be open, how long they may be silent, and their end."""
