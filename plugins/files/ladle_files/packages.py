"""The files that an installed Python package carries."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from importlib import metadata
from pathlib import Path, PurePosixPath

from ladle import OptionError
from ladle.errors import nearest

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_FEW = 3  # names that an error shows

_Files = Mapping[PurePosixPath, Path]  # where files are, by a name that a recipe can give them


def files_in_package(package: str, path: Path, is_of_format: Callable[[Path], bool]) -> dict[Path, str]:
    """The files of an installed package that `path` means, with the names that they have in it, sorted by these.

    `path` is a file, a folder (what is of the format in it) or a pattern. It is taken from the package's own folder on,
    or, where it leads nowhere, from where packages are installed.
    Raises OptionError if it means no file, or the package is not installed.
    """
    files = _files_of(package)
    own = _below_own_folder(package, files)
    wanted = PurePosixPath(path.as_posix())
    for names in (own, files):
        if inside := [name for name in names if wanted in name.parents]:
            found = [name for name in inside if is_of_format(names[name])]
            if not found:
                raise _nothing_of_format(package, wanted, inside)
        else:
            found = [name for name in names if name == wanted or _matches(name.parts, wanted.parts)]
        if found:
            return {names[name]: str(name) for name in sorted(found)}
    raise OptionError(
        f"the package {package} has no file {wanted}",
        option="path",
        help=_remedy(wanted, sorted(map(str, own or files))),
        code="missing-file",
    )


def _files_of(package: str) -> _Files:
    """Everything that a package has installed but code that is compiled and what tells of the package itself."""
    if not _NAME.fullmatch(package):
        raise OptionError(
            f'"{package}" is no name of a package', option="package", help="write its name alone, as pip knows it"
        )
    try:
        listed = metadata.files(package)
    except metadata.PackageNotFoundError:
        near = nearest(package, [found.name for found in metadata.distributions() if found.name])
        raise OptionError(
            f"the package {package} is not installed",
            option="package",
            help=f"pip install {package}" if near is None else f"did you mean `{near}`? If not: pip install {package}",
            code="missing-package",
        ) from None
    places = {PurePosixPath(file): Path(str(file.locate())) for file in listed or () if file.suffix != ".pyc"}
    files = {
        name: place
        for name, place in places.items()
        if ".." not in name.parts and not name.parts[0].endswith((".dist-info", ".egg-info", ".pth"))
    }
    if not files:
        raise OptionError(
            f"the package {package} does not tell which files it has",
            option="package",
            help="where it is installed for editing (pip install -e), give the `path` of its folder instead",
        )
    return {name: place for name, place in files.items() if place.is_file()}


def _below_own_folder(package: str, files: _Files) -> _Files:
    """The files below the folder that bears the package's name, or is the only one; none if there is no such folder."""
    folders = {name.parts[0] for name in files if len(name.parts) > 1}
    import_name = re.sub(r"[-_.]+", "_", package).lower()
    own = [folder for folder in folders if folder.lower() == import_name] or list(folders)
    if len(own) != 1:
        return {}
    return {name.relative_to(own[0]): place for name, place in files.items() if name.parts[0] == own[0]}


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the parts of a path match those of a pattern, in which `**` stands for any number of them."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[start:], pattern[1:]) for start in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _nothing_of_format(package: str, folder: PurePosixPath, inside: Sequence[PurePosixPath]) -> OptionError:
    endings = [name.suffix for name in inside]
    commonest = max(sorted(set(endings)), key=endings.count)
    return OptionError(
        f"the folder {folder} of the package {package} has no file of this format",
        option="path",
        help=f"name its files with a pattern, such as {folder / '**' / f'*{commonest}'}",
        code="missing-file",
    )


def _remedy(wanted: PurePosixPath, names: Sequence[str]) -> str:
    """The nearest right name, or what there is beside code."""
    data = [name for name in names if not name.endswith(".py")]
    if near := nearest(str(wanted), data):
        return f"did you mean `{near}`?"
    more = f" and {len(data) - _FEW} more" if len(data) > _FEW else ""
    return f"beside its code it has {', '.join(data[:_FEW])}{more}" if data else "it has nothing but its code"
