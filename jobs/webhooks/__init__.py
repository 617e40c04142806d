"""Webhooks of final jobs: an outbox of messages, and their signatures."""
