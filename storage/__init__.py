"""Object storage for inputs and results: a local directory, a bucket of Google, or one of S3.

`base` defines the interface and its errors, `local`, `gcs` and `s3` implement it, `bucket` is what
the last two have in common, `factory` picks one from a URI. `sniffing` identifies media files by
their bytes; `web` makes the HTTP requests whose URLs users choose.
"""
