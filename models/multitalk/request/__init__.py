"""The input of talking-picture models, its completion, and the place of each person."""
