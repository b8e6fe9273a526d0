"""Django settings: base, and dev, prod and test built on it. Tunables come from environment.py."""
