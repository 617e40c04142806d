"""What connections to PostgreSQL cost and need: how many, and with which settings."""
