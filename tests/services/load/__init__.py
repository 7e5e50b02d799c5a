"""Programs that put real server processes under load and print, as JSON, what they measured.

`python -m tests.services.load kill|crowd|mixed`; the suite holds small versions of the same.
"""
