"""Headers of most requests that fit the schema.

Any account, revision and Idempotency-Key fit, and nearly all of them are refused before the operation sees
anything else: so nine of ten requests that may succeed have headers with which they can.
"""

import itertools

import schemathesis

USUAL = {"postern-account": "default", "if-match": "*"}
# Beside If-Match it contradicts.
LEFT_OUT = {"if-none-match"}
# PUT creates a record without a condition.
NEED_CONDITION = {"DELETE", "PATCH", "POST"}
number = itertools.count(1)


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta is None or case.meta.generation.mode.is_negative:
        return
    count = next(number)
    if count % 10 == 0:
        return
    headers = case.headers
    for name in list(headers):
        lower = name.lower()
        if lower in LEFT_OUT:
            del headers[name]
        elif lower in USUAL:
            headers[name] = USUAL[lower]
        elif lower == "idempotency-key":
            headers[name] = f"request-{count}"
    declared = {parameter.name.lower() for parameter in case.operation.headers}
    if case.method in NEED_CONDITION and "if-match" in declared and "if-match" not in headers:
        headers["if-match"] = USUAL["if-match"]
