"""Labelled values: what detectors are measured with. One file per category of the catalogue."""
