"""The claims, a file a paper."""
