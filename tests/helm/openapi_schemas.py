"""JSON schemas for kubeconform, made from what an API server publishes about its resources."""

import json

# Where kubeconform looks for a file: its template of these words. Of the core group it takes the
# version for the group.
LOCATION = "{{.Group}}_{{.ResourceAPIVersion}}_{{.ResourceKind}}.json"
KINDS = "x-kubernetes-group-version-kind"


def _closed(schema):
    """The schema, without room for fields that nobody knows."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    out = {name: _closed(value) for name, value in schema.items()}
    is_object = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    if is_object and "additionalProperties" not in schema:
        out["additionalProperties"] = False
    return out


def write(kube, folder):
    """Writes a file for each kind that the server has, and returns kubeconform's location."""
    for path in kube.get("/openapi/v3")["paths"]:
        if not path.startswith(("api/", "apis/")) or path.count("/") not in (1, 2):
            continue
        schemas = kube.get(f"/openapi/v3/{path}").get("components", {}).get("schemas", {})
        if not schemas:
            continue
        # References lead into it, so each file holds them all, and only the entrance differs.
        below = {name: _closed(schema) for name, schema in schemas.items()}
        for name, schema in schemas.items():
            for kind in schema.get(KINDS, []):
                if f"{kind['group']}/{kind['version']}".strip("/") != path.split("/", 1)[1]:
                    continue
                group = kind["group"] or kind["version"]
                file = folder / f"{group}_{kind['version']}_{kind['kind'].lower()}.json"
                file.write_text(json.dumps({"$ref": f"#/components/schemas/{name}",
                                            "components": {"schemas": below}}))
    return f"{folder}/{LOCATION}"
