#!/bin/bash
# Grades the catalog that was handed in and writes its rewards. Without a verdict there is no reward.json: that is an
# error of the trial and no failure of the attempt. HOFAZ9_PROFILE=full times 500 clients as well.
set -uo pipefail
logs=/logs/verifier
catalog=/testbed/repository_before

if ! cd /app; then
    echo "no verdict: this is not the verifier's container, which tests/Dockerfile describes" >&2
    exit 2
fi
# The users that serve candidates may not enter: nobody but this script writes rewards.
chmod 700 /logs
rm -rf "$logs/reward.json" "$logs/reward.txt"

# A folder that was removed is graded as an empty one.
mkdir -p "$catalog"
python evaluation/evaluation.py grade "$catalog" \
    --profile "${HOFAZ9_PROFILE:-quick}" --output "$logs/report.json"
echo "exit status: $?"
exec python -m evaluation.harbor.rewards task.json "$logs/report.json" "$logs/reward.json"
