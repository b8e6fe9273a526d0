"""Who did what: sign-ins, what administrators change, what API keys order. Written once, never changed."""
