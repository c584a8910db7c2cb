"""Callers that an identity provider vouches for, by JSON Web Tokens."""
