"""What contact-centre staff do with requests: claim, note, correct, end, merge, and keep what was promised."""
