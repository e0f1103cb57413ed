"""Model folders on the Hugging Face hub, by their ids: fetched once, then read from this machine.

    hf:user/model            the newest
    hf:user/model:revision   a branch, tag or commit; only a commit is for ever the same
    user/model               the same as the first, where nothing here has that name

The files lie in a folder of their own and not in the hub's cache, whose links lead out of the model's
folder: ONNX Runtime does not follow those to the weights. What is fetched is checked as any model folder
is: `config.json` names each file with its sha256, nothing is unpickled, and no code comes along.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from vitruvian.types import UserError

PREFIX = "hf:"
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_ID = re.compile(rf"(?:hf:)?({_PART}/{_PART})(?::([A-Za-z0-9][A-Za-z0-9._/-]*))?")


def is_hub_id(name: str) -> bool:
    """Whether a name can be that of a model on the hub."""
    return _ID.fullmatch(name) is not None


def fetch(name: str, files: tuple[str, ...]) -> Path:
    """The folder of a hub model on this machine; what is there already is not fetched again.

    Without a network it is what was fetched before.

    Args:
        name: see the module's header.
        files: the names that a model folder can have; nothing else is fetched.

    Raises:
        UserError: it is no id, huggingface_hub is not installed, or the model cannot be had.
    """
    match = _ID.fullmatch(name)
    if match is None or ".." in name:
        raise UserError(f"{name!r} is no id of the hub: write {PREFIX}user/model")
    repository, revision = match[1], match[2]
    try:
        import huggingface_hub
    except ModuleNotFoundError:
        raise UserError(
            f"no model {name!r} here, and the hub needs huggingface_hub: install vitruvian with its extra "
            "[hub]"
        ) from None
    folder = _cache() / "--".join([*repository.split("/"), (revision or "main").replace("/", "--")])
    try:
        found = huggingface_hub.snapshot_download(
            repository, revision=revision, allow_patterns=list(files), local_dir=folder
        )
    except (OSError, ValueError) as error:  # the hub's own errors are both of these
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            f"no model {name!r} here, nor can it be had from the hub ({reason}): check the name and the "
            "network"
        ) from None
    return Path(found)


def _cache() -> Path:
    """Where models of the hub are kept: $VITRUVIAN_CACHE, else a folder of the user's cache."""
    own = os.environ.get("VITRUVIAN_CACHE")
    if own:
        return Path(own).expanduser() / "hub"
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "vitruvian" / "hub"
