# The image of everything that runs a candidate; `docker-compose.yml` says what each container does.
FROM python:3.12-slim AS evaluation

ENV HOME=/tmp PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1
# A patch is graded by applying it with git. Candidates run as this user, who owns no file here.
RUN apt-get update -qq \
    && apt-get install -qqy --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin hofaz9

WORKDIR /app
COPY requirements.txt .
RUN sed '/^# Outside of the image/,$d' requirements.txt | pip install --quiet --requirement /dev/stdin
COPY . .
# A clone made under a strict umask is readable here too.
RUN chmod -R a+rX .

USER hofaz9
ENTRYPOINT ["python", "evaluation/evaluation.py"]

# What instances/HOFAZ9.list.json names (`make testbed`): the repository with one commit, and services from wheels.
FROM evaluation AS testbed
USER root
ENTRYPOINT []
WORKDIR /testbed
RUN cp -r /app/. . \
    && pip install --quiet --requirement requirements.txt \
    && git init --quiet \
    && git add --all \
    && git -c user.name=hofaz9 -c user.email=hofaz9@localhost commit --quiet --message "HOFAZ9"
