"""Routes and responses of models and their weights."""
