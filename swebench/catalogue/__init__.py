"""The catalogue of small repairs: what a fixed fault usually looks like, as edits of Python source.

The kinds are those that studies of one-line bugs list again and again (Karampatsis & Sutton, 2020, "How often
do single-statement bugs occur?"; PAR, Kim et al., 2013). The program proposes, a model scores: a very small
model tells a likely line from an unlikely one far better than it writes one.
"""

from swebench.catalogue.code import Code
from swebench.catalogue.edit import Edit
from swebench.catalogue.propose import KINDS, Kind, propose

__all__ = ["KINDS", "Code", "Edit", "Kind", "propose"]
