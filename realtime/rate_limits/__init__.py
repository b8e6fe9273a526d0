"""How often something may be done: rates, and the limiters that hold callers to them."""
