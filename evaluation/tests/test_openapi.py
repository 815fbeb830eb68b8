"""No answer of either catalog contradicts its own schema, whatever a stranger draws from it."""

import subprocess
import sys
from pathlib import Path

import pytest

from evaluation.database.dataset import SIZES
from evaluation.machine.environment import passed_on
from evaluation.serving.workbench import Workbench
from evaluation.tests.served import BASELINE, REFERENCE, served

PROGRAM = Path(sys.executable).with_name("schemathesis")
CHECKS = "not_a_server_error,response_schema_conformance,content_type_conformance,status_code_conformance"
OPTIONS = ["--checks", CHECKS, "--phases", "coverage,fuzzing", "--max-examples", "5", "--seed", "1"]
OPTIONS += ["--no-color", "--warnings", "off"]
FEW_ROWS = "delete from reviews where product_id > 5", "delete from products where id > 40"


@pytest.mark.parametrize("folder", [BASELINE, REFERENCE], ids=["baseline", "reference"])
def test_no_answer_contradicts_the_schema(bench: Workbench, folder: Path, tmp_path: Path) -> None:
    with bench.stage(SIZES["small"]) as stage, served(stage, folder) as catalog:
        for statement in FEW_ROWS:
            catalog.sql(statement)

        command = [str(PROGRAM), "run", f"{catalog.server.url}/openapi.json", *OPTIONS]
        done = subprocess.run(command, cwd=tmp_path, env=passed_on(), capture_output=True, text=True)

        assert done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-1000:]}"
