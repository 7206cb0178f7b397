"""All kinds of values, by detector."""

from __future__ import annotations

from . import contact, health, identity_europe, identity_world, payment, secret, special
from .kind import Kind

_MODULES = (secret, payment, identity_world, identity_europe, health, contact, special)

KINDS: dict[str, Kind] = {kind.id: kind for module in _MODULES for kind in module.KINDS}
