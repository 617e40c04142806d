"""The media formats that are taken: one list for the door of the API and for the workers."""
