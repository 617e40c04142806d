"""Sessions of a browser: a signed cookie instead of a key, for the web page of this server."""
