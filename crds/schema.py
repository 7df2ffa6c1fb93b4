"""The building blocks of the CRD's schema: one function a kind of field.

A range, default or word that stands here also stands in operator/api; tests/unit/api/schema_test.cc
compares them. Rules in CEL say the same as the C++ reader, in about the same words.
"""

# What the operator knows about forms of names (operator/api/names.cc).
LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
LABEL_VALUE = "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
QUANTITY = r"[0-9]{1,15}(\.[0-9]{1,3})?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?"

DURATION = "^(0|([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$"
SIZE = r"^[0-9]+(\.[0-9]{1,3})?(k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"
DURATION_BYTES_MAX = 32
SIZE_BYTES_MAX = 32

_TIME_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}


def millis_of(value):
    """CEL for the milliseconds in the string `value`. CEL knows Go's units, which lack the day.

    Written so that the API server can bound its cost: sizes are known of substrings, not of what
    split() returns or a number becomes as text. "0ms" behind it makes 14d and 0 right as well.
    """
    day = f"{value}.indexOf('d')"
    return (f"(duration({value}.substring({day} + 1) + '0ms').getMilliseconds() + "
            f"({value}.contains('d') ? int({value}.substring(0, {day})) * {_TIME_UNITS['d']} : 0))")


def bytes_of(value):
    """CEL for the bytes in `value`, a size or a whole number. asInteger() knows neither fractions
    nor all of the large ones; what asApproximateFloat() is wrong by is less than half a byte."""
    return f"int(quantity(string({value})).asApproximateFloat() + 0.5)"


def rule(expression, message, field=None, message_expression=None):
    """One entry of x-kubernetes-validations. `field`: the path that the error names."""
    out = {"rule": expression, "message": message}
    if message_expression:
        out["messageExpression"] = message_expression
    if field:
        out["fieldPath"] = field
        out["reason"] = "FieldValueInvalid"
    return out


def with_rules(schema, *rules):
    return {**schema, "x-kubernetes-validations": [*schema.get("x-kubernetes-validations", []),
                                                   *rules]}


def _described(schema, description, default):
    out = {"description": description, **schema}
    if default is not None:
        out["default"] = default
    return out


def text(description, length, pattern=None, default=None):
    schema = {"type": "string", "maxLength": length}
    if pattern:
        schema["minLength"] = 1
        schema["pattern"] = f"^{pattern}$"
    return _described(schema, description, default)


def label(description, default=None):
    return text(description, 63, LABEL, default)


def subdomain(description):
    return text(description, 253, SUBDOMAIN)


def words(description, allowed, default=None):
    return _described({"type": "string", "enum": list(allowed)}, description, default)


def boolean(description, default):
    return _described({"type": "boolean"}, description, default)


def integer(description, least, most, default=None):
    size = "int32" if most < 2**31 else "int64"
    return _described({"type": "integer", "format": size, "minimum": least, "maximum": most},
                      description, default)


def _millis(value):
    number = value.rstrip("dhms")
    return int(number) * _TIME_UNITS[value[len(number):]]


def duration(description, least, most, default=None):
    value = millis_of("self")
    bounds = f"{value} <= {_millis(most)}"
    if _millis(least) > 0:
        bounds = f"{value} >= {_millis(least)} && {bounds}"
    schema = {"type": "string", "minLength": 1, "maxLength": DURATION_BYTES_MAX,
              "pattern": DURATION}
    check = rule(f"self.matches('{DURATION}') && {bounds}",
                 f"must be a duration from {least} to {most}, for instance 30s or 1h30m")
    return with_rules(_described(schema, description, default), check)


def size(description, least, most, default=None):
    value = "quantity(string(self))"
    schema = {"x-kubernetes-int-or-string": True, "maxLength": SIZE_BYTES_MAX, "pattern": SIZE}
    check = rule(f"string(self).matches(r'{SIZE}') && "
                 f"{value}.compareTo(quantity('{least}')) >= 0 && "
                 f"{value}.compareTo(quantity('{most}')) <= 0 && "
                 f"{value}.sub({bytes_of('self')}).compareTo(quantity('0')) == 0",
                 f"must be a size from {least} to {most} in whole bytes, for instance 64Mi or 6Gi")
    return with_rules(_described(schema, description, default), check)


def decimal(description, least, most, default, whole):
    """A number with a fraction stands in a string, because CRDs have no portable fractions."""
    form = r"^[0-9]+(\.[0-9]+)?$"
    schema = {"x-kubernetes-int-or-string": True} if whole else {"type": "string"}
    schema.update(maxLength=20, pattern=form)
    bounds = f"double(self) >= {float(least)} && double(self) <= {float(most)}"
    words_of = f"must be a decimal number from {least} to {most} as a string, for instance \"0.5\""
    value = "string(self)" if whole else "self"
    check = rule(f"{value}.matches(r'{form}') && {bounds}",
                 words_of + (", or a whole number" if whole else ""))
    return with_rules(_described(schema, description, default), check)


def fields(description, properties, *rules, required=(), defaulted=False):
    """A map whose fields are known. `defaulted`: where it is absent it stands there with the
    defaults of its fields (written out, because a default has to keep the rules by itself)."""
    default = None
    if defaulted:
        default = {name: field["default"] for name, field in properties.items()
                   if "default" in field}
    schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = list(required)
    out = _described(schema, description, default)
    return with_rules(out, *rules) if rules else out


def names_to(description, values, entries, *rules):
    """A map whose keys are names, of which there are at most `entries`."""
    schema = {"type": "object", "maxProperties": entries, "additionalProperties": values}
    return with_rules(_described(schema, description, None), *rules)


def items(description, item, most, key=None, default=None):
    schema = {"type": "array", "maxItems": most, "items": item}
    if key:
        schema.update({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]})
    else:
        schema["x-kubernetes-list-type"] = "atomic"
    return _described(schema, description, default)
