"""A tiny real model, whose weights from the Hub are the content of the video."""
