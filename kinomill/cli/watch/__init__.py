"""Following a job: a progress bar in a terminal, lines elsewhere."""
