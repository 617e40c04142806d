"""Mirrors: copies of a model's files in a bucket or folder of the operator's own.

`push` uploads a complete model; `base` is the protocol, `gcs` and `folder` implement it, `factory`
opens a mirror by its URI. Pulls read a mirror through `weights.sources`, like any other source.
"""
