"""The metrics of all programs: their names, labels and meaning, and the format of Prometheus."""
