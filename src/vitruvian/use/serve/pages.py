"""What people see: one page to look at poses, one that shows the OpenAPI description.

A page is sent as one file, with the scripts and styles of the folder `page` put into it. Its policy
allows only these, by their hashes, and the service that sent it: nothing of another host is loaded.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from vitruvian.models import MOST_PASSES

Page = tuple[bytes, dict[str, str]]  # body, headers

_EXAMPLE = "astronaut.jpg"
_OUTSIDE = re.compile(r'<link rel="stylesheet" href="([\w.]+)">|<script src="([\w.]+)"></script>')


def _html(name: str) -> Page:
    folder = files("vitruvian.use.serve") / "page"
    hashes: dict[str, list[str]] = {"style": [], "script": []}

    def inside(found: re.Match[str]) -> str:
        kind = "style" if found[1] else "script"
        text = "\n" + (folder / (found[1] or found[2])).read_text(encoding="utf-8")
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        hashes[kind].append(f"'sha256-{digest}'")
        return f"<{kind}>{text}</{kind}>"

    body = _OUTSIDE.sub(inside, (folder / name).read_text(encoding="utf-8"))
    policy = {
        "default-src": ["'none'"],
        "script-src": hashes["script"],
        "style-src": hashes["style"],
        "img-src": ["'self'", "blob:", "data:"],
        "media-src": ["blob:"],
        "connect-src": ["'self'"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
    return body.encode(), {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": "; ".join(f"{k} {' '.join(v)}" for k, v in policy.items()),
        "permissions-policy": "camera=(self), microphone=(), geolocation=()",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "cache-control": "no-cache",
    }


def _example() -> Page:
    body = (files("vitruvian.use") / "photos" / _EXAMPLE).read_bytes()
    return body, {"content-type": "image/jpeg", "cache-control": "max-age=86400"}


PAGES: dict[str, Callable[[], Page]] = {
    "/": functools.partial(_html, "index.html"),
    "/docs": functools.partial(_html, "docs.html"),
    "/example.jpg": _example,
}


def request_body(many: bool) -> dict[str, Any]:
    """What the OpenAPI description says of a request for poses; `many` photographs or one."""
    file = {"type": "string", "format": "binary"}
    boxes = {
        "type": "string",
        "description": "JSON: rows of x, y, width, height in px as in COCO, closely around each person"
        + (", a list of rows or null for each photograph" if many else "")
        + "; without: the whole photograph is one person's",
    }
    options: dict[str, Any] = {
        "model": {"type": "string", "description": "a name of /models; without: the first"},
        "boxes": boxes,
        "passes": {
            "type": "integer",
            "minimum": 1,
            "maximum": MOST_PASSES,
            "description": "how often to look, at most",
        },
        "flip": {"type": "boolean", "description": "average with the mirrored photograph's answer"},
        "maps": {"type": "boolean", "description": "heatmaps too, where the service gives them"},
    }
    shown = {"photos": {"type": "array", "items": file}} if many else {"photo": file}
    form = {"type": "object", "properties": shown | options, "required": list(shown)}
    content: dict[str, Any] = {"multipart/form-data": {"schema": form}}
    if not many:
        kinds = ("image/jpeg", "image/png", "image/webp", "application/octet-stream")
        content |= {kind: {"schema": file} for kind in kinds}
    return {
        "requestBody": {"required": True, "content": content},
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": dict(schema),
             "description": schema["description"]}
            for name, schema in options.items()
        ],
    }  # fmt: skip
