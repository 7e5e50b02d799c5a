"""The variants by name: our five, and what other distributions add as a plug-in.

A plug-in is a class without arguments whose objects `decide`, under an entry point of the group
`orchestrate.policies`. Plug-ins are looked for only where a name is none of ours, since that takes a while.
"""

from collections.abc import Callable
from importlib.metadata import EntryPoint

from orchestrator.errors import OrchestratorError
from orchestrator.policy.decisions import Certificates, Decision, PromptContents
from orchestrator.policy.policy import Adaptive, Baseline, Certified, Dynamic, Policy, Static
from vectors.errors import PluginError
from vectors.plugins import find, load
from vectors.suggestions import did_you_mean

GROUP = "orchestrate.policies"
CERTIFIED = "certified"
_RULES: dict[str, type[Policy]] = {
    "adaptive": Adaptive,
    "baseline": Baseline,
    "static": Static,
    "dynamic": Dynamic,
}
VARIANTS = (*_RULES, CERTIFIED)


class PolicyFailed(OrchestratorError):
    """A plug-in's policy raised an error, or answered with what is no decision."""


def known(name: str) -> str:
    """The name itself, of one of our variants or of a plug-in; else ValueError, which lists them all."""
    if name in VARIANTS or plugin(name):
        return name
    there = [*VARIANTS, *sorted(_plugins())]
    raise ValueError(
        f"there is no variant {name!r}: choose one of {', '.join(there)}, or install its plug-in"
        f"{did_you_mean(name, there)}"
    )


def plugin(name: str) -> EntryPoint | None:
    """The entry point of a plug-in's variant; None for our own variants and for unknown names."""
    return None if name in VARIANTS else _plugins().get(name)


def policy_for(name: str, certified: Callable[[], Certificates]) -> Policy:
    """The policy of a variant; `certified` is asked for certificates only where they decide.

    Raises PluginError for a plug-in that cannot be loaded, KeyError for a name that `known` refuses.
    """
    if name == CERTIFIED:
        return Certified(certified())
    if name in _RULES:
        return _RULES[name]()
    return _Plugged(_plugins()[name])


def _plugins() -> dict[str, EntryPoint]:
    ours = {name: f"orchestrator.policy.policy:{name.title()}" for name in VARIANTS}
    return {name: entry for name, entry in find(GROUP, ours).items() if name not in VARIANTS}


class _Plugged:
    """A plug-in's policy, whose faults are told in one line that names it."""

    def __init__(self, entry: EntryPoint) -> None:
        self._name = f"variant {entry.name}, {entry.value}"
        kind = load(entry, type)
        try:
            self._policy = kind()
        except Exception as error:  # a plug-in raises what it likes
            raise PluginError(f"{self._name}, cannot be made without arguments: {error}") from error
        if not isinstance(self._policy, Policy):
            raise PluginError(f"{self._name}, has no method decide(prompt): update or uninstall it")

    def decide(self, prompt: PromptContents) -> Decision:
        """What the plug-in decides; raises PolicyFailed."""
        try:
            decision = self._policy.decide(prompt)
        except Exception as error:  # a plug-in raises what it likes
            raise PolicyFailed(f"{self._name}, failed: {type(error).__name__}: {error}") from error
        if not isinstance(decision, Decision):
            raise PolicyFailed(f"{self._name}, answered {decision!r}, expected a Decision")
        return decision
