"""API keys: made and revoked by the operator, and kept as hashes of secrets that nobody can guess.

A secret is 32 random bytes, so one round of SHA-256 keeps it: there is no dictionary to try.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from services.errors import NotFound
from services.store.database import Database
from services.store.records import Row
from services.store.schema import KEYS, OPERATORS

_KEY = re.compile(r"orch_(?P<id>[0-9a-f]{12})_(?P<secret>[A-Za-z0-9_-]{43})")
_NOBODY = "0" * 64
_KEYS = sa.select(KEYS, OPERATORS.c.key.label("operator")).outerjoin(OPERATORS, OPERATORS.c.key == KEYS.c.id)


@dataclass(frozen=True)
class Key:
    """A key as it is listed; its secret is nowhere."""

    id: str
    name: str
    created_at: float
    revoked_at: float | None
    operator: bool


class Keys:
    """The table of keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, name: str, *, operator: bool = False) -> tuple[Key, str]:
        """Make a key; the second value is the key itself, which cannot be had again."""
        key = Key(secrets.token_hex(6), name, self._database.now(), None, operator)
        secret = secrets.token_urlsafe(32)
        with self._database.write() as connection:
            connection.execute(
                sa.insert(KEYS).values(
                    id=key.id, name=name, secret_sha256=_hash(secret), created_at=key.created_at
                )
            )
            if operator:
                connection.execute(sa.insert(OPERATORS).values(key=key.id))
        return key, f"orch_{key.id}_{secret}"

    def list(self) -> list[Key]:
        """All keys, revoked ones too, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(_KEYS.order_by(KEYS.c.created_at, KEYS.c.id)).all()
        return [_key(row) for row in rows]

    def revoke(self, key_id: str) -> Key:
        """Revoke a key from now on; its tasks stay. Raises NotFound for an unknown or a revoked one."""
        with self._database.write() as connection:
            revoked = connection.execute(
                sa.update(KEYS)
                .where(KEYS.c.id == key_id, KEYS.c.revoked_at.is_(None))
                .values(revoked_at=self._database.now())
            ).rowcount
            if not revoked:
                raise NotFound(f"there is no key {key_id!r} in use: see `orchestrate keys list`")
            return _key(connection.execute(_KEYS.where(KEYS.c.id == key_id)).one())

    def owner_of(self, presented: str) -> str | None:
        """The id of the key that was presented, if it is one and not revoked."""
        match = _KEY.fullmatch(presented)
        if match is None:
            return None
        with self._database.read() as connection:
            row = connection.execute(sa.select(KEYS).where(KEYS.c.id == match["id"])).first()
        # An unknown id costs the same comparison as a wrong secret.
        right = hmac.compare_digest(_hash(match["secret"]), row.secret_sha256 if row else _NOBODY)
        return row.id if row is not None and right and row.revoked_at is None else None

    def revoked(self, owners: Collection[str]) -> set[str]:
        """Those of the owners whose key is revoked."""
        chosen = sa.select(KEYS.c.id).where(KEYS.c.id.in_(owners), KEYS.c.revoked_at.is_not(None))
        with self._database.read() as connection:
            return set(connection.execute(chosen).scalars())

    def operates(self, owner: str) -> bool:
        """Whether this owner's key may change the server itself."""
        with self._database.read() as connection:
            return (
                connection.execute(sa.select(OPERATORS).where(OPERATORS.c.key == owner)).first() is not None
            )

    def any_made(self) -> bool:
        """Whether a key was ever made; a store whose keys are all revoked is not open to everybody."""
        with self._database.read() as connection:
            return connection.execute(sa.select(KEYS.c.id).limit(1)).first() is not None


def _key(row: Row) -> Key:
    return Key(row.id, row.name, row.created_at, row.revoked_at, row.operator is not None)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
