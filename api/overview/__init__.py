"""The overview of an installation."""
