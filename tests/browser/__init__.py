"""Tests in a real browser: Debian's chromium-headless-shell. `make browser-test` installs it."""
