"""JSON objects as rows, for any source that finds some: strict reading, types, columns, and what cannot be a row."""

from .rows import Fault, Found, ObjectRows

__all__ = ["Fault", "Found", "ObjectRows"]
