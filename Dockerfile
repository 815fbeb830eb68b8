# One image for everything that runs a candidate; `compose.yaml` says what each container does.
FROM python:3.12-slim

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
