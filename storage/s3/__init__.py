"""Object storage in a bucket that speaks S3: Amazon's, MinIO, Cloudflare R2, Ceph.

`store` implements the interface, `access` creates the client from the standard credentials,
`errors` maps what botocore raises. botocore is an extra, imported for an `s3://` URI only.
"""
