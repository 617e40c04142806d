"""Deliveries of webhooks: listed, and sent again."""
