"""Manifests: which files a model needs, their sizes, digests, licenses and source URIs.

`manifest` reads a `weights.toml`, `source_uri` parses one source, `pinning` fills in what is
unknown.
"""
