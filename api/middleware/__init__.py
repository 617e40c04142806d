"""ASGI middleware: access log and body limit."""
