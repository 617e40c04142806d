"""Download sources: the Hugging Face Hub, Google Cloud Storage, web servers and folders.

`base` is the protocol, `source_factory` opens a source by its URI, `http_client` is the connection
pool under the HTTP sources, `remote_metadata` asks for sizes and digests without downloading.
"""
