"""When the frames of a video are shown, and how much of a file is missing."""
