"""Dry runs: what a submission would take, before it is one."""
