"""HTTP: translates requests into calls of the services, and their answers into JSON. It decides nothing."""
