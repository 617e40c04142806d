"""Tests of /v1/videos."""
