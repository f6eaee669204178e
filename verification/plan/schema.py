"""The JSON schema of a plan file, made from its shape, so that an editor can help who writes one.

Holds what the shape holds. Not handled: what only the checks know (units, names, dates), which `retroproof plan check`
says.
"""

from __future__ import annotations

import inspect
import json
from typing import Any

import msgspec

from verification.plan.shape import Plan

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def plan_schema() -> str:
    """The schema as JSON, indented, with a newline at its end."""
    schema: dict[str, Any] = msgspec.json.schema(Plan)
    for shape in schema["$defs"].values():
        if "description" in shape:  # a docstring, which Python leaves indented before 3.13
            shape["description"] = inspect.cleandoc(shape["description"])
    whole = {"$schema": DIALECT, "title": "RetroProof plan, version 2", **schema}
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"
