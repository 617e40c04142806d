"""Many workers without models against one PostgreSQL and one Valkey."""
