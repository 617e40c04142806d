"""Loading of Wan weights: each component from the formats it is published in, strictly checked."""
