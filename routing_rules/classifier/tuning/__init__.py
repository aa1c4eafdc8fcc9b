"""Tuning the sentence encoder on the catalogue: done once by us, its result kept in `../model`. Needs torch."""
