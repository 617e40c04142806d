"""Tests of streams of events."""
