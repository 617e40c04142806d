"""The operator's part of the clients: `client.admin`, with a key of scope `admin`."""
