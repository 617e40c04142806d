"""What several packages share: settings, database sessions, logs, files."""
