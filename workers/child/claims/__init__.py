"""What a message takes from the queue, and how it is given back to it."""
