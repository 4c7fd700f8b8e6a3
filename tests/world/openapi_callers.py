"""Who asks, where tokens are needed: mostly one with the token that tests/world/openapi.rs gives out, sometimes one without
any, or a page of another site."""

import itertools

import schemathesis

from tests.world import openapi_hooks  # noqa: F401

CALLERS = itertools.cycle(["token", "nobody", "token", "other site", "token", "token"])


@schemathesis.hook
def before_call(context, case, kwargs):
    caller = next(CALLERS)
    case.headers = {name: value for name, value in dict(case.headers or {}).items() if name.lower() != "authorization"}
    if caller != "nobody":
        case.headers["Authorization"] = "Bearer of-schemathesis-only"
    if caller == "other site":
        case.headers["Origin"] = "https://elsewhere.example"
