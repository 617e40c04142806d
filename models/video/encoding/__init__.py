"""Clip writers, and what their encoders are told, so that equal frames give equal files on any
machine.
"""
