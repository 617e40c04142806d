"""Programs that decode media in a process of their own."""
