"""Constraints on what may be generated: a choice, a regular expression, a JSON schema or a grammar.

The grammars themselves are llguidance's; here they meet one model's tokenizer and one row's tokens.
"""

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from llguidance import LLMatcher, LLTokenizer
from torch import Tensor

from vectors.errors import InvalidRequest
from vectors.models.tokenizer import Tokenizer


@dataclass(frozen=True)
class Constraint:
    """The text must match `text`, read as `kind` says: `lark` is llguidance's dialect of Lark grammars."""

    kind: Literal["regex", "json_schema", "lark"]
    text: str

    @classmethod
    def choice(cls, *choices: str) -> "Constraint":
        """The text must be one of `choices`."""
        if not choices or not all(choices):
            raise InvalidRequest("a choice needs at least one text, and none may be empty")
        return cls(
            "lark", "start: " + " | ".join(json.dumps(choice, ensure_ascii=False) for choice in choices)
        )

    def grammar(self) -> str:
        """The grammar in llguidance's own form."""
        make = {
            "regex": LLMatcher.grammar_from_regex,
            "json_schema": LLMatcher.grammar_from_json_schema,
            "lark": LLMatcher.grammar_from_lark,
        }[self.kind]
        grammar: str = make(self.text)
        return grammar


class ConstrainedTokens:
    """Which tokens may come next in one row."""

    def __init__(self, matcher: LLMatcher, vocab_size: int) -> None:
        self._matcher = matcher
        self._vocab_size = vocab_size

    def allowed(self) -> Tensor:
        """The tokens that may come next, [vocab] of bool; of a finished text only the end is one."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        allowed = np.zeros(self._vocab_size, dtype=np.uint8)
        known = np.unpackbits(bits, bitorder="little")[: self._vocab_size]
        allowed[: len(known)] = known
        return torch.from_numpy(allowed).bool()

    def accept(self, token: int) -> None:
        """Take a token. Raises InvalidRequest for one that the constraint does not allow."""
        if not self._matcher.consume_token(token):
            problem = _in_one_line(self._matcher.get_error())
            raise InvalidRequest(f"token {token} does not fit the constraint: {problem}")


class ConstraintCompiler:
    """Makes constraints for the rows of one engine; the tokenizer is analysed once, on first use.

    A text that may end may do so with any of the tokens `ends`.
    """

    def __init__(self, tokenizer: Tokenizer, vocab_size: int, ends: Sequence[int]) -> None:
        self._tokenizer, self._vocab_size, self._ends = tokenizer, vocab_size, ends
        self._analysed: LLTokenizer | None = None
        self._lock = threading.Lock()

    def compile(self, constraint: Constraint) -> ConstrainedTokens:
        """Prepare a constraint for one row. Raises InvalidRequest, naming what is wrong with it."""
        with self._lock:
            if self._analysed is None:
                self._analysed = LLTokenizer(
                    self._tokenizer.backend.to_str(),
                    n_vocab=self._vocab_size,
                    eos_token=list(self._ends) or None,
                )
        try:
            matcher = LLMatcher(self._analysed, constraint.grammar(), log_level=0)
            problem = matcher.get_error()
        except ValueError as error:
            problem = str(error)
        if problem:
            raise InvalidRequest(f"the {constraint.kind} constraint is refused: {_in_one_line(problem)}")
        return ConstrainedTokens(matcher, self._vocab_size)


def _in_one_line(problem: str) -> str:
    return " ".join(problem.split())[:300]
