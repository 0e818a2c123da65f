"""Where the host is: in a component behind the generated bindings, in a test in a fake."""

from __future__ import annotations

import importlib.util

#: Whether this runs in a component, or is being built into one.
COMPONENT = importlib.util.find_spec("wit_world") is not None
