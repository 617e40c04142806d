"""What routes share: the app's context, their dependencies, and who is calling."""
