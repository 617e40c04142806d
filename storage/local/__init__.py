"""Object storage in a local directory.

`store` implements the interface, `records` describes an object to later readers, `entries` makes
folders, links and locks on file systems of all kinds, `uploads` grow as their bytes arrive.
"""
