"""Colors: from what files hold to 8-bit sRGB on white, and from there to what files hold."""
