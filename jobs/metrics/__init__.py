"""What Prometheus reads of the record: counters and histograms that outlive jobs, and gauges."""
