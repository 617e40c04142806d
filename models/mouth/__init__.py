"""A mouth that opens with a voice, without a neural network: for the previews of models."""
