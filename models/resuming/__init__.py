"""A long run goes on where a lost attempt of the same job ended.

The worker gives each attempt a folder that belongs to its job: beside the output, named `KEPT`. A
runner keeps finished parts there, see `parts`, and the next attempt takes them up where it finds
the same folder: on the same machine, or on a volume that holds the scratch folder of both.
"""

KEPT = "kept"
"""Name of the job's folder in the folder of an attempt; without it nothing is kept."""
