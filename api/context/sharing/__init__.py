"""What callers share: slots and turns, so that none of them takes all."""
