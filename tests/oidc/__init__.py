"""An OpenID Connect provider for tests: another site of this project, with allauth's provider switched on."""
