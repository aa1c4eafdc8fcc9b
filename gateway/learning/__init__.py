"""Learning from what was: replay of the past through changed rules, and examples proposed from corrections."""
