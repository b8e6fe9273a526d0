"""Topics: their names, and the namespaces that give them options and rules."""
