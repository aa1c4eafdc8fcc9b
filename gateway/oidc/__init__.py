"""Signing in with an OpenID Connect provider: any that publishes a discovery document and its keys."""
