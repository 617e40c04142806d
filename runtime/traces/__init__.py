"""Traces of jobs over all programs: their context, and the spans of this process."""
