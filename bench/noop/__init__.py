"""A model whose jobs take no time: what remains is the cost of the queue."""
