"""Stand-in back ends: they speak the organisations' protocols over real sockets, and fail when told to."""
