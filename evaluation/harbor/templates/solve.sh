#!/bin/bash
# Makes of the catalog what the instance asks for.
set -euo pipefail
cd /testbed
git apply --whitespace=nowarn --directory=repository_before /solution/reference.patch
