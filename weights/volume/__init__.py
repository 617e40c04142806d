"""The volume: a content-addressed folder of weights that many workers and machines share.

`volume` is the store, `snapshot` a model's files under their own names; `file_lock` and
`lease_lock` keep two processes from downloading one file; `verify`, `prune` and `readahead` work on
stored files.
"""
