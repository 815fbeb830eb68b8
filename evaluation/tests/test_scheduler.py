"""Gradings on several workers: real processes, of which some are killed, and none of which is replaced."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluation.candidates.folder import content_digest, copied
from evaluation.candidates.submissions import Submission, read_submissions
from evaluation.cluster import alike
from evaluation.errors import CandidateError
from evaluation.pipeline import REFERENCE, ROOT
from evaluation.services.cleaner import is_alive
from evaluation.tests.cluster import (
    GRADE,
    WORKER,
    Cluster,
    Program,
    fails_at_import,
    outcomes,
    predictions,
    program,
    remember_both_sides,
    scheduler,
    until,
)

TLS = "DASK_DISTRIBUTED__COMM__TLS__"
PARTS = ("SCHEDULER", "WORKER", "CLIENT")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler, for the tests of this module; its workers share a store."""
    folder = tmp_path_factory.mktemp("cluster")
    remember_both_sides(folder / "store")
    with tempfile.TemporaryDirectory(prefix="hofaz9-") as scratch, scheduler(folder) as (address, _):
        # Postgres runs as somebody else.
        Path(scratch).chmod(0o755)
        cluster = Cluster(address, folder / "store", Path(scratch))
        with cluster.client:
            yield cluster


def test_a_killed_worker_costs_a_second_try_and_a_second_run_grades_nothing_again(
    cluster: Cluster, tmp_path: Path
) -> None:
    rows = {"broken": fails_at_import("one"), "empty": "", "words": "Sorry."}
    file, mine = predictions(tmp_path, rows), tmp_path / "mine"

    with cluster.workers(2) as workers:
        grading = cluster.grading(file, "--out", tmp_path / "first", cache=mine)
        first = until(lambda: cluster.grades("broken"), "nobody grades it")
        workers[first].end()
        grading.status()
        begun = time.monotonic()
        again = cluster.grading(file, "--out", tmp_path / "second", cache=mine)
        again.status()

    expected = {"broken": "unresolved", "empty": "empty_patch", "words": "empty_patch"}
    assert outcomes(tmp_path / "first") == expected, grading.text
    [line] = [line for line in grading.lines if ", broken: unresolved" in line]
    assert f"worker {first} has left" in grading.text
    assert line.split(" on ")[1].strip() in workers.keys() - {first}
    assert (tmp_path / "first" / "predictions" / "broken" / "HOFAZ9" / "report.json").is_file()
    assert outcomes(tmp_path / "second") == expected
    assert again.text.count("graded earlier") == 3
    assert time.monotonic() - begun < 60


def test_a_submission_that_kills_three_workers_has_no_verdict_and_harms_no_other(
    cluster: Cluster, tmp_path: Path
) -> None:
    deadly = fails_at_import("this one is deadly")
    file = predictions(tmp_path, {"deadly": deadly, "empty": ""})

    with cluster.workers(4) as workers:
        grading = cluster.grading(file, "--out", tmp_path / "out", cache=tmp_path / "mine")
        killed = []
        for _ in range(3):
            killed.append(until(lambda: cluster.grades("deadly"), "nobody grades it"))
            until(cluster.folders, "it makes no folder")
            graders = cluster.graders(killed[-1])
            workers[killed[-1]].end()
            ended_soon(graders)
            until(lambda: not cluster.folders(), "what it made is left")
        status = grading.status()

    assert len(set(killed)) == 3
    assert outcomes(tmp_path / "out") == {"deadly": "no_verdict", "empty": "empty_patch"}, grading.text
    report = json.loads((tmp_path / "out" / "deadly" / "report.json").read_text())
    assert report["error"].startswith("3 workers died while they graded it")
    assert status == 2


def ended_soon(processes: list[int]) -> None:
    """Wait until all have ended, long before they could have come to their end."""
    until(lambda: not any(map(is_alive, processes)), f"one of {processes} runs on", 8.0)


def test_a_submission_whose_grading_is_killed_three_times_has_no_verdict_and_the_worker_goes_on(
    cluster: Cluster, tmp_path: Path
) -> None:
    rows = {"greedy": fails_at_import("killed for its memory"), "empty": ""}

    with cluster.workers(1) as workers:
        [(address, worker)] = workers.items()
        file = predictions(tmp_path, rows)
        grading = cluster.grading(file, "--out", tmp_path / "out", cache=tmp_path / "mine")
        killed: set[int] = set()
        for _ in range(3):
            until(lambda: cluster.grades("greedy") and set(cluster.graders(address)) - killed, "no try")
            for pid in set(cluster.graders(address)) - killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
        status = grading.status()
        assert is_alive(worker.pid)

    assert outcomes(tmp_path / "out") == {"greedy": "no_verdict", "empty": "empty_patch"}, grading.text
    report = json.loads((tmp_path / "out" / "greedy" / "report.json").read_text())
    assert report["error"].startswith("3 tries failed, the last with")
    assert "the process that graded was killed" in report["error"]
    assert status == 2


def test_an_interrupted_run_ends_what_runs_on_workers_which_go_on(cluster: Cluster, tmp_path: Path) -> None:
    file = predictions(tmp_path, {"broken": fails_at_import("interrupted")})

    with cluster.workers(1) as workers:
        [(address, worker)] = workers.items()
        grading = cluster.grading(file, "--out", tmp_path / "out", cache=tmp_path / "mine")
        until(lambda: cluster.grades("broken"), "nobody grades it")
        until(cluster.folders, "it makes no folder")
        graders = cluster.graders(address)
        grading.process.send_signal(signal.SIGINT)
        status = grading.status(20)
        ended_soon(graders)
        until(lambda: not cluster.folders(), "its folders are left")
        assert is_alive(worker.pid)

    assert status == 2
    assert "interrupted" in grading.text
    assert "Traceback" not in grading.text


def test_a_worker_that_is_stopped_ends_its_grading_and_leaves_nothing(
    cluster: Cluster, tmp_path: Path
) -> None:
    file = predictions(tmp_path, {"broken": fails_at_import("stopped")})

    with cluster.workers(1) as workers:
        [(address, worker)] = workers.items()
        grading = cluster.grading(file, "--out", tmp_path / "out", cache=tmp_path / "mine")
        until(lambda: cluster.grades("broken"), "nobody grades it")
        [grader] = cluster.graders(address)
        worker.process.send_signal(signal.SIGTERM)
        status = worker.status()
        grading.end()

        until(lambda: not cluster.folders(), "its folders are left")

    assert status == 0, worker.text
    assert not is_alive(grader)


def test_a_scheduler_that_ends_in_the_middle_is_told_and_its_workers_end_too(tmp_path: Path) -> None:
    file = predictions(tmp_path, {"broken": fails_at_import("orphaned")})
    remember_both_sides(tmp_path)

    with scheduler(tmp_path) as (address, hub), program([*WORKER, address], tmp_path) as worker:
        worker.says("Registered to")
        command = [*GRADE, file, "--size", "small", "--out", tmp_path / "out", "--scheduler", address]
        grading = Program(command, tmp_path)
        worker.says("dataset: ")
        hub.end()
        status = grading.status(40)
        worker_status = worker.status(60)

    assert status == 2, grading.text
    assert "no verdict: the scheduler has ended: run the same command again" in grading.text
    assert "Traceback" not in grading.text
    assert worker_status == 2, worker.text


def test_an_address_that_answers_nothing_is_told_within_seconds(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    for address in (f"tcp://127.0.0.1:{port}", "nonsense"):
        with program([*GRADE, REFERENCE, "--out", tmp_path, "--scheduler", address], tmp_path) as grading:
            status = grading.status(30)

        assert status == 64, grading.text
        assert f"usage: no scheduler answers at {address}" in grading.text
        assert "Traceback" not in grading.text


def certified(folder: Path) -> dict[str, Path]:
    """The variables of a certificate that is its own authority, for everybody who has it."""
    certificate, key = folder / "tls.crt", folder / "tls.key"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    command += ["-subj", "/CN=hofaz9", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    files = {
        f"{part}__{kind}": file for part in PARTS for kind, file in (("CERT", certificate), ("KEY", key))
    }
    return {f"{TLS}{name}": file for name, file in {**files, "CA_FILE": certificate}.items()}


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl is here to make a certificate")
def test_with_tls_nobody_is_answered_who_has_no_certificate(tmp_path: Path) -> None:
    ours = certified(tmp_path)
    (tmp_path / "empty.patch").write_text("")
    remember_both_sides(tmp_path)
    grade = [*GRADE, tmp_path / "empty.patch", "--size", "small", "--out", tmp_path / "out", "--scheduler"]

    with scheduler(tmp_path, "--protocol", "tls", **ours) as (address, _):
        with program([*WORKER, address], tmp_path, **ours) as worker:
            worker.says("Registered to")
            with program([*grade, address], tmp_path, **ours) as grading:
                status = grading.status()
        strangers = []
        for other in (address, address.replace("tls:", "tcp:")):
            with program([*grade, other], tmp_path) as stranger:
                strangers.append((stranger.status(), stranger.text))

    assert status == 1, grading.text
    assert outcomes(tmp_path / "out") == {"empty": "empty_patch"}
    assert [status for status, _ in strangers] == [64, 64], strangers
    assert "no certificates are given" in strangers[0][1]


def test_a_worker_of_another_version_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for name in ("evaluation", "tests", "instances", "repository_before", "repository_after"):
        ignored = shutil.ignore_patterns("__pycache__", "reports")
        shutil.copytree(ROOT / name, other / name, ignore=ignored)
    for name in ("requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, other / name)
    project = other / "pyproject.toml"
    project.write_text(project.read_text().replace('\nversion = "', '\nversion = "9.', 1))

    with program([*WORKER, cluster.address], tmp_path, other) as worker:
        until(cluster.addresses, worker.text)
        grading = cluster.grading(REFERENCE, "--out", tmp_path / "out")
        status = grading.status(60)

    version = alike.here().version
    assert status == 64, grading.text
    assert f"is refused: its version is 9.{version}, ours is {version}; its files" in grading.text
    assert "no worker of this scheduler" in grading.text


def test_differences_of_the_environment_are_told_in_words() -> None:
    own = alike.Alike("1", "digest", "3.12.1", {"asyncpg": "0.32.0"})
    theirs = {"version": "1", "files": "digest", "python": "3.11.7", "packages": {"asyncpg": "0.31.0"}}

    assert own.differences(theirs) == [
        "its Python is 3.11.7, ours is 3.12.1",
        "its asyncpg is 0.31.0, ours is 0.32.0",
    ]
    assert own.differences({**theirs, "python": "3.12.1", "packages": own.packages}) == []


def test_a_folder_travels_whole(tmp_path: Path) -> None:
    folder = copied(REFERENCE, tmp_path / "sent")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "empty").mkdir()
    [one] = read_submissions([folder])

    digest, packed = content_digest(folder), one.packed()
    shutil.rmtree(folder)
    packed.as_folder(tmp_path / "came")

    assert content_digest(tmp_path / "came") == digest


def test_a_folder_that_cannot_be_served_is_refused_where_it_comes_to(tmp_path: Path) -> None:
    folder = copied(REFERENCE, tmp_path / "linked")
    (folder / "link.py").symlink_to("main.py")
    [one] = read_submissions([folder])

    with pytest.raises(CandidateError, match=r"link\.py is a link"):
        one.packed().as_folder(tmp_path / "came")


def test_the_key_of_a_submission_is_what_is_handed_in_and_not_its_name(tmp_path: Path) -> None:
    def digest(name: str, patch: bytes) -> str:
        return Submission(name, tmp_path, patch).packed().digest()

    assert digest("one", b"patch") == digest("two", b"patch")
    assert digest("one", b"patch") != digest("one", b"other")


def test_a_report_of_one_machine_is_not_reused_on_others(tmp_path: Path) -> None:
    command = [*GRADE, REFERENCE, "--scheduler", "tcp://127.0.0.1:1", "--reuse", "report.json"]
    grading = Program(command, tmp_path)

    assert grading.status() == 64
    assert "--reuse is for one machine" in grading.text
