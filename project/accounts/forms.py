"""allauth's forms in the product's words."""

from typing import Any

from allauth.account import forms

PASSWORD_HINT = "At least 8 characters, not only digits, and nothing that is easy to guess."  # noqa: S105 -- a hint.


class LoginForm(forms.LoginForm):  # type: ignore[misc]  # allauth has no types.
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        login = self.fields["login"]
        login.label = "User name or e-mail address"
        login.widget.attrs |= {"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
        if not self.is_bound:
            login.widget.attrs["autofocus"] = True


class SignupForm(forms.SignupForm):  # type: ignore[misc]  # allauth has no types.
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        username, email = self.fields["username"], self.fields["email"]
        username.label, email.label = "User name", "E-mail address"
        username.widget.attrs |= {"autocapitalize": "none", "spellcheck": "false"}
        if not self.is_bound:
            username.widget.attrs["autofocus"] = True
        if "password1" in self.fields:
            self.fields["password1"].help_text = PASSWORD_HINT


class ChangePasswordForm(forms.ChangePasswordForm):  # type: ignore[misc]  # allauth has no types.
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password1"].help_text = PASSWORD_HINT


class ResetPasswordKeyForm(forms.ResetPasswordKeyForm):  # type: ignore[misc]  # allauth has no types.
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password1"].help_text = PASSWORD_HINT
