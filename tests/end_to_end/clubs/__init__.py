"""A Django app for tests only: rules that read rows, and views that change these rows."""
