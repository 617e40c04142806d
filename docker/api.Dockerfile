# The API image; other commands run maintenance, migrations and Flower. No torch, no pip.
#
#   docker build -f docker/api.Dockerfile -t kinomill/api .
#
# Pass a pip configuration, e.g. for a private index, with `--secret id=pip,src=pip.conf`.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# The base image without build tools, plus an init, a user and the writable folders.
FROM ${PYTHON_IMAGE} AS trimmed
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    rm -f /etc/apt/apt.conf.d/docker-clean \
    && apt-get update && apt-get install -y --no-install-recommends tini
RUN --mount=type=bind,source=docker/steps/trim.py,target=/steps/trim.py \
    python /steps/trim.py

# Squashed to one layer, so that removed files take no space. The worker image shares it.
FROM scratch AS runtime
COPY --from=trimmed / /
ENV PATH=/opt/kinomill/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/tini-static", "-s", "--"]

FROM ${PYTHON_IMAGE} AS builder
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    rm -f /etc/apt/apt.conf.d/docker-clean \
    && apt-get update && apt-get install -y --no-install-recommends binutils
COPY --from=trimmed /opt/kinomill /opt/kinomill
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1
WORKDIR /build

# Requirements in a stage of their own: other edits of pyproject.toml leave the install cached.
FROM builder AS requirements
RUN --mount=type=bind,source=docker/steps/requirements.py,target=/steps/requirements.py \
    --mount=type=bind,source=requirements,target=requirements \
    --mount=type=bind,source=constraints.txt,target=constraints.txt \
    python /steps/requirements.py /requirements flower otel s3

FROM builder AS dependencies
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=bind,from=requirements,source=/requirements,target=/requirements \
    --mount=type=bind,source=docker/steps/bytecode.py,target=/steps/bytecode.py \
    --mount=type=bind,source=docker/steps/layer.py,target=/steps/layer.py \
    --mount=type=bind,source=docker/steps/strip_packages.py,target=/steps/strip_packages.py \
    --mount=type=bind,source=docker/imports/api.txt,target=/imports.txt \
    python /steps/layer.py mark \
    && python -m pip --python /opt/kinomill/bin/python install --no-compile \
        --no-deps --require-hashes -r /requirements/requirements.txt \
    && python /steps/strip_packages.py /opt/kinomill \
    && /opt/kinomill/bin/python /steps/bytecode.py imported /imports.txt \
    && python /steps/layer.py collect dependencies

# Metadata and console script of our two distributions, without their code.
FROM builder AS metadata
COPY --link pyproject.toml README.md LICENSE NOTICE /build/
COPY --link kinomill/pyproject.toml kinomill/setup.py kinomill/README.md LICENSE NOTICE /build/kinomill/
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=bind,from=requirements,source=/requirements,target=/requirements \
    --mount=type=bind,source=docker/steps/layer.py,target=/steps/layer.py \
    python -m pip install --target /backend --no-compile \
        --require-hashes -r /requirements/build.txt \
    && python /steps/layer.py mark \
    && PYTHONPATH=/backend python -m pip --python /opt/kinomill/bin/python install \
        --no-deps --no-index --no-build-isolation --no-compile /build/kinomill /build \
    && python /steps/layer.py collect metadata

# Our code: the only layer that changes when a source file does.
FROM builder AS app
RUN --mount=type=bind,target=/source \
    python /source/docker/steps/layer.py mark \
    && python /source/docker/steps/copy_packages.py /source /opt/kinomill \
    && python /source/docker/steps/bytecode.py all /opt/kinomill \
    && python /source/docker/steps/layer.py collect app

FROM runtime AS api
COPY --link --from=dependencies /layer/dependencies/ /
COPY --link --from=metadata /layer/metadata/ /
COPY --link --from=app /layer/app/ /
USER 10001:10001
EXPOSE 8000
# This check is for the API. If the image runs another program, set another check or none.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-I", "-S", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/livez', timeout=4)"]
CMD ["kinomill", "api", "--host", "0.0.0.0", "--port", "8000"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Kinomill API" \
      org.opencontainers.image.description="API, maintenance, migrations and Flower of Kinomill" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
