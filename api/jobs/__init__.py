"""Routes and responses of jobs; reads and validates submissions."""
