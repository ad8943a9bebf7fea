"""Row 1: callactors.yaml: tree of text, schema, checks, embedded default. `load(text, file, environ)`, `default()`.

Every problem is a ConfigError with file, line and path; `load` raises all of them at once as ConfigErrors.
"""

from callactors.config.config import Config
from callactors.config.loader import default, default_text, load
from callactors.config.override import override
from callactors.config.problems import ConfigErrors, NotAvailable
from callactors.config.values import Secret

__all__ = ["Config", "ConfigErrors", "NotAvailable", "Secret", "default", "default_text", "load", "override"]
