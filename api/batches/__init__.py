"""Routes and responses of batches."""
