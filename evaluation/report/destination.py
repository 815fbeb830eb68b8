"""Where reports go, and their pages: where the caller wants them, or to a folder beside the newest one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.report import document
from evaluation.report.html.beside import write_beside
from evaluation.report.whole import written_whole

REPORTS = Path(__file__).parents[1] / "reports"
LATEST = "latest.json"
"""A copy of the newest report in REPORTS."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A folder for all files of a run, a file for its one report, both, or neither."""

    folder: Path | None = None
    file: Path | None = None

    def folders(self) -> list[Path]:
        """The folders in which something will be written."""
        named = [self.folder, self.file.absolute().parent if self.file else None]
        return [folder for folder in named if folder] or [REPORTS]

    def folder_of(self, stamp: str) -> Path:
        """The folder for everything but the one report of `file`."""
        return self.folder or (self.file.absolute().parent if self.file else REPORTS / stamp)

    def write(self, report: dict[str, Any], stamp: str, name: str = "") -> Path:
        """Write a report wherever it goes, and its page beside it; return one of the files."""
        files = self.written(report, stamp, name)
        write_beside(files, report)
        return files[-1]

    def written(self, report: dict[str, Any], stamp: str, name: str) -> list[Path]:
        """Write a report wherever it goes; return the files, the most important one last."""
        if self.file:
            write_to(self.file, document.as_bytes(report))
            if not self.folder:
                return [self.file]
        path = document.write(report, self.folder_of(stamp) / name)
        if self.folder:
            return [*([self.file] if self.file else []), path]
        return [written_whole(REPORTS / LATEST, document.as_bytes(report)), path]


def write_to(path: Path, body: bytes) -> None:
    """Write a file; what is no plain file, such as /dev/stdout, is written and never replaced."""
    if path.exists() and (path.is_symlink() or not path.is_file()):
        path.write_bytes(body)
    else:
        written_whole(path, body)
