#!/bin/bash
# The suite of the last commit, on the catalog as it stands here, in a folder of its own: nothing here is changed.
set -euxo pipefail
cd "${HOFAZ9_TESTBED:-/testbed}"
own=$(mktemp -d)
trap 'rm -rf "$own"' EXIT
git archive HEAD -- . ':(exclude)repository_before' | tar -x -C "$own"
cp -R repository_before/. "$own/repository_before"
cd "$own"
set +e
: '>>>>> Start Test Output'
python -m pytest -q -rA --show-capture=no -p no:cacheprovider --candidate=repository_before tests
: '>>>>> End Test Output'
