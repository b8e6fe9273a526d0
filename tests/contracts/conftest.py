"""The suites live in the shipped test kit; pytest must explain their failures as it does its own."""

import pytest

pytest.register_assert_rewrite("realtime.testing.layers", "realtime.testing.presence")
