"""Batches: many jobs submitted with one request, followed and canceled together."""
