"""The model: encoders, scoring, fusion, calibration."""
