"""The state of an installation at one moment, for whoever operates it: `kinomill top`, `doctor`."""
