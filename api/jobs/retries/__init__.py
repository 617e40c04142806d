"""Retries: new jobs with the input of jobs that have ended."""
