"""Routes and responses of workers and queues."""
