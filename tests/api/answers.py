"""What every error answer must look like."""

from typing import Any


def error_code(response: Any, *, status: int) -> str:
    """The code of an error answer, after a look at its shape."""
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == "application/json"
    body = response.json()
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"code", "message"}
    code, message = body["error"]["code"], body["error"]["message"]
    assert isinstance(code, str)
    assert code.islower()
    # What was got, and the next step.
    assert message.endswith(".")
    assert len(message) > 30
    return code
