#!/bin/bash
set -uxo pipefail
cd "${HOFAZ9_TESTBED:-/testbed}"
git checkout --quiet HEAD -- . ':(exclude)repository_before'
git clean --quiet --force -d --exclude=/repository_before
: '>>>>> Start Test Output'
python -m pytest -q -rA --show-capture=no -p no:cacheprovider --candidate=repository_before tests
: '>>>>> End Test Output'
