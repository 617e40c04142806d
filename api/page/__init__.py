"""The pages at `/`: rendered here, with the answers of the public API as their only source."""
