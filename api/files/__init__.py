"""Downloads from local storage."""
