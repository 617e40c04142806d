"""What a worker answers to scrapes of its health port."""
