# The worker images, without weights and without a CUDA base image: the host provides the driver.
#
#   docker build -f docker/worker.Dockerfile --target worker -t kinomill/worker .
#
# Targets: worker (NVIDIA GPUs), worker-cpu (tests, small models), worker-slim (as worker, with
# stubs for libraries that one GPU does not use; not yet run on a GPU), and worker-baked (as
# worker, plus the weights of one model). The default wheel of torch 2.13 needs driver 580 or
# newer; for hosts with driver 535:
#
#   --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu126
#
# Pass a pip configuration, e.g. for a private index, with `--secret id=pip,src=pip.conf`.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
ARG TORCH_VERSION=2.13.0
ARG TORCH_INDEX=https://pypi.org/simple
ARG TORCH_CPU_INDEX=https://download.pytorch.org/whl/cpu
ARG BAKED_ON=worker

# Empty by default; replace them with named contexts: `--build-context wheels=FOLDER`.
FROM scratch AS wheels
FROM scratch AS weights

# The base image without build tools, plus an init, a user and the writable folders.
FROM ${PYTHON_IMAGE} AS trimmed
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    rm -f /etc/apt/apt.conf.d/docker-clean \
    && apt-get update && apt-get install -y --no-install-recommends tini
RUN --mount=type=bind,source=docker/steps/trim.py,target=/steps/trim.py \
    python /steps/trim.py

# Squashed to one layer, so that removed files take no space. The API image shares it.
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
    python /steps/requirements.py /requirements worker otel s3

FROM builder AS torch-cuda
ARG TORCH_VERSION
ARG TORCH_INDEX
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=bind,from=wheels,target=/wheels \
    --mount=type=bind,from=requirements,source=/requirements,target=/requirements \
    --mount=type=bind,source=docker/steps/layer.py,target=/steps/layer.py \
    --mount=type=bind,source=docker/steps/strip_packages.py,target=/steps/strip_packages.py \
    python /steps/layer.py mark \
    && python -m pip --python /opt/kinomill/bin/python install --no-compile --no-deps \
        --index-url "$TORCH_INDEX" --find-links /wheels "torch==$TORCH_VERSION" \
    && python -m pip --python /opt/kinomill/bin/python install --no-compile \
        "torch==$TORCH_VERSION" -c /requirements/torch-constraints.txt \
    && python /steps/strip_packages.py /opt/kinomill \
    && python /steps/layer.py collect torch 'nvidia=/site-packages/nvidia/'

FROM builder AS torch-cpu
ARG TORCH_VERSION
ARG TORCH_CPU_INDEX
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=bind,from=wheels,target=/wheels \
    --mount=type=bind,from=requirements,source=/requirements,target=/requirements \
    --mount=type=bind,source=docker/steps/layer.py,target=/steps/layer.py \
    --mount=type=bind,source=docker/steps/strip_packages.py,target=/steps/strip_packages.py \
    python /steps/layer.py mark \
    && python -m pip --python /opt/kinomill/bin/python install --no-compile --no-deps \
        --index-url "$TORCH_CPU_INDEX" --find-links /wheels "torch==$TORCH_VERSION" \
    && python -m pip --python /opt/kinomill/bin/python install --no-compile \
        "torch==$TORCH_VERSION" -c /requirements/torch-constraints.txt \
    && python /steps/strip_packages.py /opt/kinomill \
    && python /steps/layer.py collect torch 'nvidia=/site-packages/nvidia/'

FROM torch-cuda AS dependencies-cuda
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=bind,from=requirements,source=/requirements,target=/requirements \
    --mount=type=bind,source=docker/steps/bytecode.py,target=/steps/bytecode.py \
    --mount=type=bind,source=docker/steps/layer.py,target=/steps/layer.py \
    --mount=type=bind,source=docker/steps/strip_packages.py,target=/steps/strip_packages.py \
    --mount=type=bind,source=docker/imports/worker.txt,target=/imports.txt \
    python /steps/layer.py mark \
    && python -m pip --python /opt/kinomill/bin/python install --no-compile \
        --no-deps --require-hashes -r /requirements/requirements.txt \
    && python /steps/strip_packages.py /opt/kinomill \
    && /opt/kinomill/bin/python /steps/bytecode.py imported /imports.txt \
    && python /steps/layer.py collect dependencies

FROM torch-cpu AS dependencies-cpu
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=bind,from=requirements,source=/requirements,target=/requirements \
    --mount=type=bind,source=docker/steps/bytecode.py,target=/steps/bytecode.py \
    --mount=type=bind,source=docker/steps/layer.py,target=/steps/layer.py \
    --mount=type=bind,source=docker/steps/strip_packages.py,target=/steps/strip_packages.py \
    --mount=type=bind,source=docker/imports/worker.txt,target=/imports.txt \
    python /steps/layer.py mark \
    && python -m pip --python /opt/kinomill/bin/python install --no-compile \
        --no-deps --require-hashes -r /requirements/requirements.txt \
    && python /steps/strip_packages.py /opt/kinomill \
    && /opt/kinomill/bin/python /steps/bytecode.py imported /imports.txt \
    && python /steps/layer.py collect dependencies

# Stubs of four libraries that a single GPU does not use: same name, version and symbols, no code.
FROM torch-cuda AS stubs
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    rm -f /etc/apt/apt.conf.d/docker-clean \
    && apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev
RUN --mount=type=bind,source=docker/steps/stubs.py,target=/steps/stubs.py \
    python /steps/stubs.py /layer/nvidia /layer/torch

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

FROM runtime AS worker-base
ENV KINOMILL_WEIGHTS=/weights \
    KINOMILL_HEARTBEAT_FILE=/tmp/worker.alive
# Healthy while the worker's parent process runs: it touches the file every ten seconds.
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-I", "-S", "-c", "import os, sys, time; sys.exit(time.time() - os.stat('/tmp/worker.alive').st_mtime > 30)"]
CMD ["kinomill", "worker"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Kinomill worker" \
      org.opencontainers.image.description="Worker of Kinomill: runs the models, holds no weights" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

FROM worker-base AS worker-cpu
COPY --link --from=torch-cpu /layer/torch/ /
COPY --link --from=dependencies-cpu /layer/dependencies/ /
COPY --link --from=metadata /layer/metadata/ /
COPY --link --from=app /layer/app/ /
USER 10001:10001

FROM worker-base AS worker-slim
COPY --link --from=stubs /layer/nvidia/ /
COPY --link --from=torch-cuda /layer/torch/ /
COPY --link --from=dependencies-cuda /layer/dependencies/ /
COPY --link --from=metadata /layer/metadata/ /
COPY --link --from=app /layer/app/ /
USER 10001:10001

FROM worker-base AS worker
COPY --link --from=torch-cuda /layer/nvidia/ /
COPY --link --from=torch-cuda /layer/torch/ /
COPY --link --from=dependencies-cuda /layer/dependencies/ /
COPY --link --from=metadata /layer/metadata/ /
COPY --link --from=app /layer/app/ /
USER 10001:10001

# Includes the weights of one model, for hosts that cannot mount a volume:
# `--build-arg WEIGHTS=musetalk`. Pass a Hub token with `--secret id=HF_TOKEN,env=HF_TOKEN`, and
# weights that are already on this machine with `--build-context weights=FOLDER`.
FROM ${BAKED_ON} AS weights-pulled
# Files of the folder may be readable by their owner alone: safetensors writes them so.
USER 0:0
ARG WEIGHTS
ARG ACCEPT_LICENSES=[]
RUN --mount=type=cache,id=weights-${WEIGHTS},target=/pulled,uid=10001,gid=10001 \
    --mount=type=bind,from=weights,target=/given \
    --mount=type=secret,id=HF_TOKEN,uid=10001 \
    if [ -f /run/secrets/HF_TOKEN ]; then HF_TOKEN=$(cat /run/secrets/HF_TOKEN); export HF_TOKEN; fi \
    && KINOMILL_ACCEPT_LICENSES=$ACCEPT_LICENSES \
        kinomill models pull "$WEIGHTS" --volume /pulled --adopt /given \
    && cp -a /pulled/. /weights/

FROM ${BAKED_ON} AS worker-baked
COPY --link --from=weights-pulled --chown=10001:10001 /weights/ /weights/

# Default target: a build without --target builds `worker`.
FROM worker
