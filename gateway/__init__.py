"""The running service: channels in, one store, the courier out."""

__version__ = "0.1.0"
