"""Tracking of one face through a video: scene cuts, matching, gap filling and smoothing."""
