"""What a citizen means and who answers for it. Pure: no network, no database, no clock of its own."""
