"""Removes everything that an account has stored. Usage counters and the audit log stay."""
