"""Routes and responses of webhook deliveries."""
