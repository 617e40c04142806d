"""The face in a frame for MuseTalk: its box, landmarks, crop, parsing and blending mask."""
