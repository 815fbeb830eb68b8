#!/bin/bash
# Turns the baseline into the reference.
set -euo pipefail
cd /testbed
git apply --whitespace=nowarn /solution/reference.patch
