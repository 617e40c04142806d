"""Whether a media file ends before its own header says so: by its bytes, without a decoder."""
