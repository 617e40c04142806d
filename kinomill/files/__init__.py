"""Files of the client: uploaded once, named in any number of jobs."""
