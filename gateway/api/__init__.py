"""The HTTP surfaces, one module each; `endpoint` says what a route is, once, for the router and for OpenAPI."""
