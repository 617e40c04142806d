"""The database schema: one migration per change, run by `kinomill migrate`."""
