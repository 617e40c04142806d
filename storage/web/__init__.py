"""HTTP to URLs that users choose: the URL policy (SSRF protection), downloads and webhooks."""
