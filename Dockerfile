# The stack in a container: `niche` is the entry point, model files lie on the volume /models.

FROM python:3.11-slim AS build

# pip reads it from the environment. For an image without CUDA packages, name PyTorch's index of CPU
# builds; left empty, pip takes torch as its usual index has it.
ARG PIP_EXTRA_INDEX_URL=

WORKDIR /build
RUN python -m venv /venv
# What changes seldom comes first: a change of the code does not fetch torch again.
RUN /venv/bin/pip install --no-cache-dir torch==2.13.0
COPY pyproject.toml constraints.txt README.md LICENSE niche.yaml ./
COPY gateway gateway
COPY router router
COPY deployments deployments
COPY lab lab
COPY cli cli
COPY loadtests loadtests
RUN /venv/bin/pip wheel --no-cache-dir --no-deps --wheel-dir dist . \
 && /venv/bin/pip install --no-cache-dir --constraint constraints.txt "$(echo dist/*.whl)[tracing,load]"


FROM python:3.11-slim

# KubeRay's probes ask with wget.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends wget \
 && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home --uid 10001 niche \
 && mkdir /models \
 && chown niche:niche /models
COPY --from=build /venv /venv

ENV PATH=/venv/bin:$PATH \
    NICHE_CACHE=/models \
    PYTHONUNBUFFERED=1

WORKDIR /app
COPY niche.yaml ./
# Loopback would be the container's own; which interfaces of the host are open is for `docker run -p`.
RUN sed -i 's/^  host: 127\.0\.0\.1$/  host: 0.0.0.0/' niche.yaml \
 && grep -q '^  host: 0\.0\.0\.0$' niche.yaml

USER niche
# Smoke test: the packages come from the wheel, with the files that they need beside the code.
RUN python -c "import gateway, router, deployments; print(gateway.__file__, router.__file__, deployments.__file__)" \
 && python -c "from deployments.models.adapters import load_adapter; print(load_adapter('sql'), load_adapter('tools'))" \
 && python -m loadtests.traffic --help \
 && niche models list \
 && niche config check

VOLUME /models
EXPOSE 8000
ENTRYPOINT ["niche"]
CMD ["serve"]
