"""What an adapter tells ``attach``, and what its user says besides."""

from collections.abc import Mapping
from typing import Any

BY_ENTRY = ("foresight", "rule")


def with_options(known: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments of :func:`qdiverge.attach`; where both say something, the user's.

    Of ``foresight`` and ``rule`` this holds entry by entry: who passes ``foresight={"apply": f}``
    keeps the replay that copies draw from.

    Args:
        known: What the adapter knows.
        options: What the user passed.

    >>> known = {"discount": 0.9, "rule": {"polyak": 0.1}, "foresight": {"num_updates": 100}}
    >>> with_options(known, {"discount": 0.8, "rule": {"clipping": 1.0}, "foresight": True})
    {'discount': 0.8, 'rule': {'polyak': 0.1, 'clipping': 1.0}, 'foresight': {'num_updates': 100}}
    >>> with_options(known, {"foresight": False})["foresight"]
    False
    """
    both = {**known, **options}
    for name in BY_ENTRY:
        own, users = known.get(name), options.get(name)
        if isinstance(own, Mapping) and isinstance(users, Mapping):
            both[name] = {**own, **users}
        elif isinstance(own, Mapping) and users is True:
            both[name] = own
    return both
