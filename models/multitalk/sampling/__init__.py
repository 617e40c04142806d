"""Sampling: clip after clip, each continued from the last frames of the one before it."""
