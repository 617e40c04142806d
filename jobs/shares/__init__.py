"""Links to single jobs for people without a key."""
