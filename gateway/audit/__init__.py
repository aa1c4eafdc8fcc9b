"""Who did and saw what: kept so that a change to it shows."""
