"""What operators learn of each attempt: its line in the log, and its events for monitors."""
