"""Processes that decode what others sent: without our secrets, with limits of their own."""
