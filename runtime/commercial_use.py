"""Whether a license allows commercial use, in cards, in manifests and in the API."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

CommercialUse: TypeAlias = Literal["yes", "conditional", "no"]
"""`yes`: it is allowed. `conditional`: it is allowed within restrictions on the use, which have to
be passed on to users. `no`: it is forbidden. Unless it is `yes`, the operator has to accept the
license.
"""

STRICTEST_FIRST: Final[tuple[CommercialUse, ...]] = ("no", "conditional", "yes")


def read_bool(value: object) -> object:
    """The meaning of true and false, which stood in cards and manifests before there were three."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value


def commercial_use(value: object) -> CommercialUse:
    """One of the three, also from a bool. Raises `ValueError`."""
    for known in get_args(CommercialUse):
        if read_bool(value) == known:
            found: CommercialUse = known
            return found
    raise ValueError(f"commercial use is 'yes', 'conditional' or 'no', not {value!r}")
