"""A host with several GPUs: one worker for each, started and watched by one small program."""
