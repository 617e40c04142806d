"""The parts of a client: files, batches, deliveries, and the acts of an operator."""
