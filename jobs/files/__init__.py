"""Files that accounts upload for their jobs: found, listed, deleted, expired."""
