"""LoRAs of a Wan model: every spelling of their keys, fitted to an expert and counted."""
