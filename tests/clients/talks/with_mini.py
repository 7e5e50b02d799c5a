"""mini-swe-agent on a bundled task: it may fail to solve it, it may not fail to speak.

Its commands are the model's. They run in the task's tree without the network and, where this is started by
root, as nobody; who does not trust a model at all runs this in a container.
"""

import os
import shlex
from pathlib import Path

import yaml

os.environ |= {"MSWEA_COST_TRACKING": "ignore_errors", "MSWEA_SILENT_STARTUP": "1"}

from minisweagent.agents.default import DefaultAgent
from minisweagent.config import builtin_config_dir
from minisweagent.environments.local import LocalEnvironment
from minisweagent.models.litellm_model import LitellmModel
from minisweagent.models.litellm_textbased_model import LitellmTextbasedModel
from telling import KEY, MODEL, REST, STEERING, URL, tried

TREE, ISSUE = REST
STEPS = 6


class Confined(LocalEnvironment):
    """Runs a command with neither network nor the rights of root."""

    def execute(self, action, *arguments, **named):
        order = ["unshare", "--net", "--map-root-user", "sh", "-c", action["command"]]
        if os.geteuid() == 0:
            order = [
                "unshare",
                "--net",
                "setpriv",
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                *order[3:],
            ]
        return super().execute({**action, "command": shlex.join(order)}, *arguments, **named)


def solved(model, config, **more):
    """How the agent ended, in how many steps; that the model could not do it is no failure here."""
    settings = yaml.safe_load((builtin_config_dir / config).read_text())
    given = settings["model"] | {"model_name": f"openai/{MODEL}"}
    given["model_kwargs"] = given.get("model_kwargs", {}) | {
        "api_base": f"{URL}/v1", "api_key": KEY, "max_tokens": 256, "temperature": 0.0, "seed": 1,
        "extra_body": {"steering": STEERING}, **more,
    }  # fmt: skip
    allowed = {name: settings["agent"][name] for name in ("system_template", "instance_template")}
    agent = DefaultAgent(model(**given), Confined(cwd=TREE, timeout=20), **allowed, step_limit=STEPS)
    ended = agent.run(Path(ISSUE).read_text())["exit_status"]
    assert ended in ("Submitted", "LimitsExceeded", "RepeatedFormatError"), ended
    return f"{ended} after {agent.n_calls} answers, {len(agent.messages)} messages"


@tried("a bundled task, by a tool that has to be called")
def _():
    return solved(LitellmModel, "mini.yaml", tool_choice="required")


@tried("a bundled task, by a tool that may be called")
def _():
    return solved(LitellmModel, "mini.yaml")


@tried("a bundled task, by blocks of text")
def _():
    return solved(LitellmTextbasedModel, "mini_textbased.yaml")
