"""What the encoders are told, so that equal frames give equal files on any machine."""
