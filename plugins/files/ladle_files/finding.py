"""Which files a source reads: one, those of a folder, or those that a pattern matches."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import (
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationInfo,
    model_validator,
)

from ladle import DataSource, OptionError, Sample
from ladle.errors import nearest
from ladle.options import Input, NotInKey, resolve

from .packages import files_in_package
from .packing import PACKED


def _relative_to_recipe(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, str):
        return value
    return resolve(value, info) if info.data.get("package") is None else Path(value)


FilesPath = Annotated[Path, BeforeValidator(_relative_to_recipe), Input()]
"""A file, a folder or a glob pattern; the content of the files, not their names, is part of a stage's key."""


class FileSource(DataSource):
    """What all sources of files share: finding the files, and calling them by a name that the recipe's reader knows."""

    suffixes: ClassVar[tuple[str, ...]]
    """How the names of a folder's files end, of those that are read."""

    package: Annotated[str | None, NotInKey()] = Field(
        default=None,
        description="An installed Python package that carries the files, called as pip calls it; it is not imported.",
    )
    path: FilesPath = Field(
        description="A file, a folder (its files of this format, those of folders in it too) or a glob pattern such as "
        "data/*.gz or data/**/part-*; several files are read one after another, sorted by name. Relative to the "
        "recipe, or with `package` to the package's own folder (or else to where packages are installed)."
    )

    _folder: Path | None = PrivateAttr(default=None)
    _carried: dict[Path, str] = PrivateAttr(default={})

    @model_validator(mode="after")
    def _some_file(self, info: ValidationInfo) -> FileSource:
        folder = (info.context or {}).get("folder")
        self._folder = None if folder is None else Path(folder)
        if self.package is not None:
            self._carried = files_in_package(self.package, self.path, self._is_of_format)
        self.files()
        return self

    def files(self) -> list[Path]:
        """The files to read, sorted by path. Raises OptionError if there is none."""
        if self._carried:
            return list(self._carried)
        if self.path.is_file():
            return [self.path]
        import glob

        if self.path.is_dir():
            found = [path for path in self.path.rglob("*") if self._is_of_format(path)]
            endings = " or ".join(self.suffixes)
            problem = f"no {endings} file in the folder {self.name_of(self.path)}"
            help = f"name its files with a pattern, such as {self.name_of(self.path / '*')}"
        elif glob.has_magic(str(self.path)):
            found = [path for name in glob.glob(str(self.path), recursive=True) if (path := Path(name)).is_file()]
            problem, help = f"no file matches {self.name_of(self.path)}", self._near(self.path)
        else:
            found = []
            problem, help = f"no such file or folder: {self.name_of(self.path)}", self._near(self.path)
        if not found:
            raise OptionError(problem, option="path", help=help, code="missing-file")
        return sorted(found)

    def name_of(self, path: Path) -> str:
        """A file's name in messages and origins: as the recipe would write it, PACKAGE:PATH if a package carries it."""
        if path in self._carried:
            return f"{self.package}:{self._carried[path]}"
        if self._folder is not None and path.is_relative_to(self._folder):
            path = path.relative_to(self._folder)
        return path.as_posix()

    def _is_of_format(self, path: Path) -> bool:
        return has_suffix(path, self.suffixes) and not path.name.startswith(".") and path.is_file()

    def _near(self, path: Path) -> str:
        """A remedy for a path that leads nowhere: the right name that is nearest to its first wrong part."""
        wrong = path
        while not wrong.parent.exists():
            wrong = wrong.parent
        names = [entry.name for entry in wrong.parent.iterdir()] if wrong.parent.is_dir() else []
        if near := nearest(wrong.name, names):
            return f"did you mean `{self.name_of(wrong.parent / near / path.relative_to(wrong))}`?"
        return f"looked in {wrong.parent.absolute()}; paths are relative to the recipe"


def has_suffix(path: Path, suffixes: tuple[str, ...]) -> bool:
    """Whether the name of a file, packed or not, ends with one of the suffixes."""
    name = path.name.lower()
    return name.removesuffix(next((ending for ending in PACKED if name.endswith(ending)), "")).endswith(suffixes)


def sample_of(rows: Iterator[dict[str, Any]], count: int, is_whole: bool) -> Sample:
    """The first `count` rows; `is_whole` tells whether there are no others beside those in `rows`."""
    first = list(islice(rows, count))
    return Sample(first, is_whole and next(rows, None) is None)
