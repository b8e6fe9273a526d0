"""Accounts: what django-allauth leaves to a project. Its settings stand in project/settings/accounts.py."""
