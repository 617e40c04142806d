"""Request bodies while they arrive: limits on JSON, forms, and files on their way to storage."""
