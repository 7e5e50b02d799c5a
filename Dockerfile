# syntax=docker/dockerfile:1
# CPU by default: torch==…+cpu comes from PyTorch's CPU wheel index, which the builder names, so that an image
# for CPUs never brings CUDA by accident:
#   docker build --build-arg PIP_EXTRA_INDEX_URL=<PyTorch's CPU wheel index> -t orchestrate .
# CUDA: --build-arg TORCH=torch==2.13.0 (the default build for Linux).
ARG PYTHON_VERSION=3.12
ARG NODE_VERSION=22

FROM node:${NODE_VERSION}-slim AS page
WORKDIR /web
COPY services/arena/web/package.json services/arena/web/package-lock.json services/arena/web/.npmrc ./
RUN npm ci
COPY services/arena/web ./
RUN npm run bundle

FROM python:${PYTHON_VERSION}-slim AS build
ARG TORCH=torch==2.13.0+cpu
ARG PIP_EXTRA_INDEX_URL=
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN apt-get update && apt-get install --yes --no-install-recommends git && rm -rf /var/lib/apt/lists/*
RUN python -m venv /venv
COPY constraints.txt /src/
RUN sed -i '/^torch==/d' /src/constraints.txt && /venv/bin/pip install --constraint /src/constraints.txt "${TORCH}"
COPY pyproject.toml hatch_build.py README.md LICENSE /src/
COPY orchestrator /src/orchestrator
COPY vectors /src/vectors
COPY retrieval /src/retrieval
COPY swebench /src/swebench
COPY services /src/services
COPY --from=page /web/dist /src/services/arena/web/dist
RUN ORCHESTRATE_WITH_PAGE=1 /venv/bin/pip install --constraint /src/constraints.txt /src
# The embedded model is part of the image, so that a container works without a network.
RUN ORCHESTRATE_CACHE=/cache /venv/bin/orchestrate models pull smollm2-135m
# So is the environment that the bundled tasks' tests run in: proving that a task can be graded makes it.
RUN ORCHESTRATE_CACHE=/cache /venv/bin/orchestrate grade --gold --instances harborlab__tidetable-23

FROM python:${PYTHON_VERSION}-slim
RUN apt-get update && apt-get install --yes --no-install-recommends git && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 orchestrate
COPY --from=build /venv /venv
COPY --from=build --chown=orchestrate /cache /cache
ENV PATH=/venv/bin:$PATH ORCHESTRATE_CACHE=/cache PYTHONUNBUFFERED=1
USER orchestrate
WORKDIR /home/orchestrate
HEALTHCHECK --interval=60s --timeout=20s CMD ["orchestrate", "models", "show", "smollm2-135m"]
ENTRYPOINT ["orchestrate"]
CMD ["--help"]
