"""The mouths that preview-lipsync finds and draws: their places after changes, their look."""
