"""llama.cpp's own HTTP server with one model and nothing before it, to compare engines with.

python -m loadtests.bench.raw_llama --model FILE.gguf --port 9100 --parallel 4 --threads 1
"""

import argparse
import signal
from pathlib import Path

import xllamacpp


def main() -> None:
    """Serves until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--port", type=int, required=True, help="of the loopback device")
    parser.add_argument("--parallel", type=int, default=4, help="requests in a forward pass")
    parser.add_argument("--context", type=int, default=2048, help="tokens of each")
    parser.add_argument("--threads", type=int, default=1, help="of the forward passes")
    arguments = parser.parse_args()
    params = xllamacpp.CommonParams()
    params.model.path = str(arguments.model)
    params.n_parallel = arguments.parallel
    params.n_ctx = arguments.context * arguments.parallel
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = arguments.threads
    params.cache_ram_mib = 0  # as our engine: no cache of prompts beside the slots
    params.use_jinja = True
    params.hostnames, params.port = ["127.0.0.1"], arguments.port
    params.n_threads_http = 16
    params.verbosity = 1
    server = xllamacpp.Server(params)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    del server


if __name__ == "__main__":
    main()
