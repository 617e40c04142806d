"""Voices: read, brought to one loudness, and turned into features on disk."""
