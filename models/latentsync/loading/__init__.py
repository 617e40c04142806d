"""Reads the published files of LatentSync, and tells its versions apart."""
