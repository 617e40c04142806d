"""Links to jobs for people without a key."""
