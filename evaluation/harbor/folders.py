"""Writes task folders: statement, the solver's image, the verifier's image, and the reference as a solution.

task.toml            resources, the two containers, and what travels between them
instruction.md       the problem statement
environment/         build context of the stage `solver` of our Dockerfile
tests/               build context of the stage `verifier`, with test.sh
solution/            solve.sh and the patch from baseline to reference
"""

import json
import shutil
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from string import Template

from evaluation.candidates.difference import difference
from evaluation.candidates.folder import copied
from evaluation.errors import UsageError
from evaluation.harbor.stages import stages_for
from evaluation.harbor.tasks import ROOT, Task

TEMPLATES = Path(__file__).with_name("templates")
TESTBED = "/testbed"
"""Where the solver finds the catalog's folder, and where it travels to."""
ORGANISATION = "hofaz9"
"""The first part of the names of our tasks."""
HARNESS = ("evaluation", "instances", "repository_after", "repository_before", "tests")
"""The folders that a grading needs."""
NEEDED = ("requirements.txt", "pyproject.toml")
"""The files that it needs beside them."""
NOT_NEEDED = ("reports", "__pycache__", ".*_cache", "mutants.json", "HOFAZ9.list.json")
"""What of the harness stays at home; `evaluation/tests` does too."""
OTHER_PACKAGES = "# Suite and evaluation"
"""The heading in requirements.txt behind the packages that a candidate may use."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a caller may want otherwise in the folders.

    Without a network, the verifier's container reaches nothing outside. With a prefix, task.toml names
    images that are ready, for programs that build none.
    """

    with_network: bool = True
    image_prefix: str | None = None

    def image_line(self, role: str, task: Task) -> str:
        """The line of task.toml that names the image of a role; empty when Harbor builds it."""
        if self.image_prefix is None:
            return ""
        return f'docker_image = "{self.image_prefix}{task.short_name}-{role}:{project_version()}"\n'


USUAL = Wishes()


def write_task(task: Task, into: Path, wishes: Wishes = USUAL) -> Path:
    """Write the folder of a task, in the place of an earlier one, and return it."""
    folder = into / task.short_name
    if folder.exists() and not (folder / "task.toml").is_file():
        raise UsageError(f"{folder} is there already, and is no task folder")
    with tempfile.TemporaryDirectory(prefix="task-") as scratch:
        start = task.write_start(Path(scratch) / "start")
        end = task.write_end(start, Path(scratch) / "end")
        shutil.rmtree(folder, ignore_errors=True)
        write(folder / "task.toml", configuration(task, wishes))
        write(folder / "instruction.md", task.statement)
        write_environment(task, start, folder / "environment")
        write_tests(task, folder / "tests")
        write_solution(difference(start, end), folder / "solution")
    return folder


def configuration(task: Task, wishes: Wishes) -> str:
    """The text of task.toml. A string of JSON is one of TOML, too."""
    values = {
        "name": f"{ORGANISATION}/{task.short_name}",
        "version": project_version(),
        "title": task.title,
        "instance_id": task.instance_id,
        "network": "public" if wishes.with_network else "no-network",
    }
    images = {f"{role}_image": wishes.image_line(role, task) for role in ("solver", "verifier")}
    quoted = {name: json.dumps(value, ensure_ascii=False) for name, value in values.items()}
    return Template(read(TEMPLATES / "configuration.toml")).substitute(quoted | images, testbed=TESTBED)


def write_environment(task: Task, start: Path, folder: Path) -> None:
    """Write the build context of the solver's image: what an attempt starts from, and nothing else."""
    write(folder / "Dockerfile", stages_for("solver", read(ROOT / "Dockerfile")))
    write(folder / "requirements.txt", read(ROOT / "requirements.txt").partition(OTHER_PACKAGES)[0])
    write(folder / "instances" / "statement.md", task.statement)
    copied(start, folder / "repository_before")


def write_tests(task: Task, folder: Path) -> None:
    """Write the build context of the verifier's image, which brings its test.sh: Harbor copies none."""
    for name in HARNESS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(*NOT_NEEDED))
    shutil.rmtree(folder / "evaluation" / "tests", ignore_errors=True)
    for name in NEEDED:
        write(folder / name, read(ROOT / name))
    dockerfile = stages_for("verifier", read(ROOT / "Dockerfile"))
    write(folder / "Dockerfile", dockerfile + "COPY test.sh /tests/test.sh\n")
    write(
        folder / "task.json",
        json.dumps({"requirement": task.requirement, "tests": task.tests}, indent=2) + "\n",
    )
    write_program(folder / "test.sh")


def write_solution(patch: str, folder: Path) -> None:
    """Write the solution: the patch of the catalog, and the program that applies it."""
    write(folder / "reference.patch", patch)
    write_program(folder / "solve.sh")


def write_program(path: Path) -> None:
    """Write a program from the template of its name."""
    write(path, read(TEMPLATES / path.name))
    path.chmod(0o755)


def project_version() -> str:
    """The version of this project."""
    return str(tomllib.loads(read(ROOT / "pyproject.toml"))["project"]["version"])


def read(path: Path) -> str:
    """The text of a file."""
    return path.read_text(encoding="utf-8")


def write(path: Path, text: str) -> None:
    """Write the text of a file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
