"""A tiny real model: weights from the Hub, loaded by a runner, that decide what the video shows."""
