"""Object storage for inputs and results: a local directory or a Google Cloud Storage bucket.

`base` defines the interface and its errors, `local` and `gcs` implement it, `factory` picks one
from a URI. `sniffing` identifies media files by their bytes; `web` makes the HTTP requests whose
URLs users choose.
"""
