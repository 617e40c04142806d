"""The parts of InSPyReNet: Swin backbone, context modules, decoder, attention, image pyramid."""
