"""`front-door demo`: the whole way on one machine, with stand-in back ends that speak the real protocols."""
