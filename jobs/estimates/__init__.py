"""Estimates of run times from the record of past attempts."""
