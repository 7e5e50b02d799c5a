"""Environments of the clients: one each, made once, with the client's version pinned."""

import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Client:
    """A client: its talk, what pip installs for it, and whether it sees the libraries of this environment.

    One that would bring a torch of its own does.
    """

    name: str
    talk: str
    requirements: tuple[str, ...]
    sees_ours: bool = False

    @property
    def version(self) -> str:
        """The version that is pinned."""
        return self.requirements[0].partition("==")[2]

    def python(self, folder: Path) -> Path:
        """The client's Python; makes its environment below the folder where it is not there yet."""
        place = folder / f"{self.name}-{self.version}"
        ready = place / "ready"
        if not ready.exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
            if self.sees_ours:
                packages = next(place.glob("lib/python*/site-packages"))
                (packages / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
            pip = [str(place / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, *self.requirements], check=True)
            ready.touch()
        return place / "bin" / "python"


CLIENTS = (
    Client("openai", "with_openai.py", ("openai==3.57.0",)),
    Client("litellm", "with_litellm.py", ("litellm==1.110.2",)),
    Client("langchain-openai", "with_langchain.py", ("langchain-openai==1.7.4",)),
    Client("instructor", "with_instructor.py", ("instructor==1.17.0",)),
    Client("llm", "with_llm.py", ("llm==0.36",)),
    Client("mini-swe-agent", "with_mini.py", ("mini-swe-agent==2.4.6",)),
    Client("inspect-ai", "with_inspect.py", ("inspect-ai==0.3.285", "openai==3.57.0")),
    Client("lm-eval", "with_lm_eval.py", ("lm-eval[api]==0.4.13",), sees_ours=True),
)
