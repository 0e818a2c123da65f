from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from componentize_py_types import Err

from .._failure import HostError, Kind, Source


@contextmanager
def asking(source: Source) -> Iterator[None]:
    """Raises what the host refuses as a HostError."""
    try:
        yield
    except Err as error:
        # The bindings call a case of a variant `Error_Limit`, with what it holds as its value.
        kind = cast(Kind, type(error.value).__name__.removeprefix("Error_").lower())
        message = getattr(error.value, "value", f"the {source} answered {kind}")
        raise HostError(source, kind, message) from None
