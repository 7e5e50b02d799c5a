"""Whether a package holds the page: it does where `make arena` was run before, and has to where
ORCHESTRATE_WITH_PAGE is set, as for a release."""

import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Page(BuildHookInterface):  # type: ignore[type-arg]
    """Reads the environment before a wheel is made."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Refuse a wheel without the page where one was asked for."""
        del version, build_data
        built = Path(self.root, "services", "arena", "web", "dist", "index.html").exists()
        if os.environ.get("ORCHESTRATE_WITH_PAGE") and not built:
            raise RuntimeError("the page is not built: run `make arena`, or unset ORCHESTRATE_WITH_PAGE")
