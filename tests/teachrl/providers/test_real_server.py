"""A real server with a tiny model of random weights, made on the spot: it talks nonsense, by the real protocol."""

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from planned_levels import oracle, read_levels
from teachrl.llm import LLM
from teachrl.providers.asked import Asked
from teachrl_envs.minigrid.layouts import MiniGridLayouts

COMMAND = shutil.which("transformers")
MAKE = """
import sys
import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

tokenizer = ByteLevelBPETokenizer()
words = ["a plan of subgoals in rooms with doors and keys"] * 20
tokenizer.train_from_iterator(words, vocab_size=320, special_tokens=["<s>", "</s>", "<pad>"])
names = dict(bos_token="<s>", eos_token="</s>", pad_token="<pad>")
fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer._tokenizer, **names)
fast.chat_template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }} {% endfor %}"
fast.save_pretrained(sys.argv[1])
torch.manual_seed(0)
sizes = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4)
ends = dict(bos_token_id=0, eos_token_id=1, pad_token_id=2)
config = LlamaConfig(vocab_size=len(fast), max_position_embeddings=16384, **sizes, **ends)
LlamaForCausalLM(config).save_pretrained(sys.argv[1])
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(COMMAND is None, reason="no command `transformers`: pip install 'transformers[serving]' torch"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Serves the model; yields its path, which is its name, and the server's url."""
    path = str(tmp_path_factory.mktemp("model"))
    python = Path(str(COMMAND)).parent / "python"
    subprocess.run([str(python), "-c", MAKE, path], check=True, capture_output=True, timeout=300)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [str(COMMAND), "serve", path, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    offline = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(words, env=offline, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(f"http://127.0.0.1:{port}/health", process)
            yield path, f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


def wait_for(url, process, seconds=240.0):
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    pytest.fail(f"`transformers serve` is not healthy after {seconds:.0f} s (exit code {process.poll()}).")


@pytest.mark.parametrize("json_mode", ["schema", "none"])
def test_nonsense_by_the_real_protocol(json_mode, server, tmp_path):
    name, url = server
    limits = {"max_answer_tokens": 16, "timeout": 120.0, "deadline": 240.0, "concurrency": 1}
    model = LLM(name, url, cache=str(tmp_path), json_mode=json_mode, **limits)
    provider = Asked(model)
    provider.begin(MiniGridLayouts(), np.random.default_rng(0))
    levels = read_levels([0, 1])
    items = list(provider.prepare(levels))
    found = provider.scalars()
    assert [item.source for item in items] == ["fallback"] * 2
    assert all(item.plan == oracle(item.layout) for item in items)
    assert all("no valid answer" in item.problem for item in items)
    assert found["llm/calls"] == 4  # a question and a repair for each
    assert found["llm/failures/invalid_answer"] == 2
    assert found["llm/input_tokens"] > 4 * 500  # as the server counted them
    assert 4 <= found["llm/output_tokens"] <= 4 * 16
    assert found["llm/estimated"] == 0
    again = Asked(LLM(name, url, cache=str(tmp_path), json_mode=json_mode, **limits, mode="replay"))
    again.begin(MiniGridLayouts(), np.random.default_rng(0))
    assert [again.plan(layout) for layout in levels] == [oracle(layout) for layout in levels]
    assert again.scalars()["llm/failures/invalid_answer"] == 2  # the nonsense is in the cache, too


def test_an_unknown_model(server, tmp_path):
    provider = Asked(LLM("no/such-model", server[1], cache=str(tmp_path), timeout=60.0, retries=0))
    provider.begin(MiniGridLayouts(), np.random.default_rng(0))
    layout = read_levels([0])[0]
    assert provider.plan(layout) == oracle(layout)
    until = time.monotonic() + 60
    while provider.scalars()["asked/open"] and time.monotonic() < until:
        time.sleep(0.1)
    found = provider.scalars()
    assert found["llm/calls"] == 1
    assert found["llm/failures/not_configured"] + found["llm/failures/unavailable"] == 1, found
    assert found["asked/failed"] == 0
