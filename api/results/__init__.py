"""Routes and responses of results: videos, further files, and previews."""
