"""Reads the published files of LatentSync, and detects their version."""
