"""What attempts logged, kept with their jobs."""
