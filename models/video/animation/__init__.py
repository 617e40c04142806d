"""Animated pictures that FFmpeg does not read."""
