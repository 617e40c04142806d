"""What the models for background removal share: their input, and pictures in and out of files."""
