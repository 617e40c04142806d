"""Object storage in a bucket of Google Cloud Storage.

`store` implements the interface, `access` finds the credentials, also those that sign URLs,
`errors` maps what Google's client raises, `uploads` are resumable sessions.
"""
