"""Face detectors behind one interface (`detector.Detector`): Haar cascade, YuNet and S3FD."""
