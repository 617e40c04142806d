"""From a queued job to a worker: admission, messages to the broker, and estimates of the wait."""
