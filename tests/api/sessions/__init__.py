"""Tests of sessions of a browser."""
