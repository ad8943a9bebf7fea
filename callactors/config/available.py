"""What the schema knows and this version does not do. Start and `check` refuse these, they never ignore them.

When something is built, its line here goes.
"""

from __future__ import annotations

from collections.abc import Iterator

from callactors.config.config import Config
from callactors.config.problems import NotAvailable


def check(config: Config) -> Iterator[NotAvailable]:
    """A NotAvailable for each value that is not built yet."""
    if not config.stores.url.startswith("sqlite:///"):
        yield config.marks.not_available("stores.url", "", "use sqlite:///PATH")
