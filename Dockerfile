# What both images have: Python, and git, for an attempt is handed in as a patch.
FROM python:3.12-slim AS base
ENV HOME=/tmp PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1
RUN apt-get update -qq \
    && apt-get install -qqy --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* \
    && git config --system user.name hofaz9 \
    && git config --system user.email hofaz9@localhost

# What an attempt starts from (`make testbed`): the baseline, the statement, the packages that a catalog may use,
# and no reference solution. The folder has the name that it has where attempts are judged.
FROM base AS solver
WORKDIR /testbed
COPY requirements.txt /tmp/
RUN sed '/^# Suite and evaluation/,$d' /tmp/requirements.txt | pip install --quiet --requirement /dev/stdin \
    && rm /tmp/requirements.txt
COPY repository_before repository_before
COPY instances/statement.md .
RUN git init --quiet && git add --all && git commit --quiet --message "HOFAZ9"

# The image of everything that runs a candidate; `docker-compose.yml` says what each container does.
FROM base AS evaluation
# Candidates run as this user, who owns no file here.
RUN useradd --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin hofaz9

WORKDIR /app
COPY requirements.txt .
RUN sed '/^# Outside of the image/,$d' requirements.txt | pip install --quiet --requirement /dev/stdin
COPY . .
# A clone made under a strict umask is readable here too.
RUN chmod -R a+rX .

USER hofaz9
ENTRYPOINT ["python", "evaluation/evaluation.py"]

# Where Harbor judges an attempt (`make harbor`): the harness, and services from wheels. Each candidate is served by a
# user of its own, so what root alone may read is hidden from it.
FROM evaluation AS verifier
USER root
ENTRYPOINT []
RUN sed -n '/^# Services without Docker/,/^# [^S]/p' requirements.txt | pip install --quiet --requirement /dev/stdin \
    && chmod -R go-rwx instances repository_after repository_before tests

# Where attempts are judged, as instances/HOFAZ9.list.json names it (`make testbed`): the repository with one commit,
# and services from wheels. A smaller task begins with a baseline that some patches have changed.
FROM evaluation AS testbed
ARG BASE_PATCHES=""
USER root
ENTRYPOINT []
WORKDIR /testbed
RUN cp -r /app/. . \
    && pip install --quiet --requirement requirements.txt \
    && for patch in $BASE_PATCHES; do git apply --directory=repository_before "$patch" || exit 1; done \
    && git init --quiet \
    && git add --all \
    && git commit --quiet --message "HOFAZ9"
