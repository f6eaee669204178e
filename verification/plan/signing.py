"""Signatures of non-routine adjustments: Ed25519 by the owner whose public key the plan names.

Signed is the DSSE pre-authentication encoding of PAYLOAD_TYPE and the RFC 8785 canonical JSON of the adjustment without
its signature and without what it leaves open, with the plan's project and windows: a figure for one period must not
pass for another.
"""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

import msgspec

from verification import keys, strictjson
from verification.errors import ConfigError, FormatError
from verification.evidence.dsse import pre_authentication_encoding
from verification.evidence.note import decode_base64
from verification.plan.shape import Adjustment, Plan

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PAYLOAD_TYPE = "application/vnd.retroproof.adjustment+json"
Doubt = Literal["ADJUSTMENT_UNSIGNED", "ADJUSTMENT_OWNER_UNKNOWN", "ADJUSTMENT_SIGNATURE_WRONG"]


def signature_doubt(plan: Plan, adjustment: Adjustment) -> Doubt | None:
    """Why `adjustment` must not be applied, as the code of a finding; None where its owner has signed it."""
    if not adjustment.signature.strip():
        return "ADJUSTMENT_UNSIGNED"
    if adjustment.owner not in plan.owners:
        return "ADJUSTMENT_OWNER_UNKNOWN"
    owner = keys.parse_public(plan.owners[adjustment.owner])
    try:
        holds = keys.signature_holds(owner, decode_base64(adjustment.signature), _signed_bytes(plan, adjustment))
    except FormatError:
        holds = False
    return None if holds else "ADJUSTMENT_SIGNATURE_WRONG"


def signed_formulas(plan: Plan, measure: str) -> list[Adjustment]:
    """The adjustments of a measure that apply and are told by a formula."""
    own = (each for each in plan.adjustments if each.measure == measure and each.formula)
    return [each for each in own if signature_doubt(plan, each) is None]


def sign(plan: Plan, adjustment_id: str, key: Ed25519PrivateKey) -> str:
    """The signature of one adjustment, as the plan carries it. Raises ConfigError, also for a key of somebody else."""
    adjustment = next((each for each in plan.adjustments if each.id == adjustment_id), None)
    if adjustment is None:
        there = ", ".join(each.id for each in plan.adjustments) or "none"
        raise ConfigError(f"{adjustment_id!r} is not under adjustments; there are: {there}")
    public = keys.public_text(key)
    if plan.owners.get(adjustment.owner) != public:
        raise ConfigError(
            f"the plan does not say that this key is of {adjustment.owner}; if it is, write under owners: "
            f'"{adjustment.owner}": "{public}"'
        )
    return base64.b64encode(key.sign(_signed_bytes(plan, adjustment))).decode()


def _signed_bytes(plan: Plan, adjustment: Adjustment) -> bytes:
    """Raises FormatError where a text of the adjustment has no canonical form."""
    content = {name: value for name, value in msgspec.to_builtins(adjustment).items() if value not in (None, {})}
    del content["signature"]
    for numbers in (content, *content.get("constants", {}).values()):
        for name in {"value", "uncertainty"} & set(numbers):
            numbers[name] = f"{Decimal(repr(numbers[name])).normalize():f}"
    windows = {name: msgspec.to_builtins(window) for name, window in plan.windows.items()}
    signed = {"project": plan.project, "adjustment": content} | windows
    return pre_authentication_encoding(PAYLOAD_TYPE, strictjson.encode(signed))
