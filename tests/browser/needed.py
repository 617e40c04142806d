"""What the tests in a browser need beside the packages of `make test`."""

NEEDED = "needs playwright: `make browser-test`"
