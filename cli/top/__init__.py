"""`kinomill top`: what an installation does now, in a terminal."""
