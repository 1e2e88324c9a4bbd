"""Questions to a language model, answered in JSON: cached, limited, checked, repaired once.

Made for use during training: what a question may cost in time and money is limited, what was answered once is answered
from the disk, and whatever goes wrong is an `LLMError` for which the one who asks has a fallback.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal, TypeVar

from teachrl.configurable import Configurable
from teachrl.llm.arguments import check_arguments, is_variable
from teachrl.llm.asking import Answer, Asker
from teachrl.llm.budget import Spent
from teachrl.llm.errors import NotConfigured, SwitchedOff
from teachrl.llm.requests import Message
from teachrl.llm.urls import read_address, without_secrets

T = TypeVar("T")


class LLM(Configurable):
    """A language model behind any endpoint that speaks OpenAI's chat completions (vLLM, llama.cpp, Ollama, OpenRouter).

    Nothing is connected, opened or read before the first question. The key comes from the environment, and is in no
    config, log, message or file. May be used by many threads at once.

    Args:
        model: The model's name at the endpoint.
        base_url: The endpoint, e.g. `"http://localhost:8000/v1"`; empty for the environment's `OPENAI_BASE_URL`, else
            OpenAI's own. No password or query in it.
        key_env: The environment variable that holds the key; none is needed on this machine.
        mode: `"cache"` calls for what the cache has not and keeps it; `"live"` always calls and keeps nothing;
            `"record"` always calls and keeps it; `"replay"` never calls, so that it needs neither key nor openai;
            `"off"` answers nothing.
        cache: A SQLite file or a directory for it; empty for the user's cache directory (`TEACHRL_CACHE`, else
            `XDG_CACHE_HOME/teachrl`, else `~/.cache/teachrl`). It can be copied and shared: no key is in it.
        temperature: Of sampling; None leaves it to the endpoint, as some models want. 0 with a seed does not make
            answers repeatable, the cache does.
        seed: Of sampling, None to send none.
        max_answer_tokens: Longest answer.
        timeout: Seconds for one request.
        deadline: Seconds for one question, with waiting, retries and repair.
        retries: Requests after the first when the endpoint is overloaded, broken or unreachable.
        concurrency: Requests at a time, in this process.
        max_calls: Requests in the life of this object, and of a run that is resumed, retries included; None for no
            limit.
        max_tokens: Tokens of prompts and answers, likewise.
        max_cost: US dollars, likewise; needs `prices`.
        prices: US dollars for a million tokens, `{"input": 0.15, "output": 0.6}`.
        allow_http: Allow plain http to other machines, where key and prompts can be read on the way.
        json_mode: How the endpoint is told what to answer: `"schema"`, or for those that do not know schemas
            `"object"` or `"none"`, which say it in words. Answers are checked here in any case.
        extra: Further entries of the request's body, e.g. `{"reasoning_effort": "low"}`.
    """

    _asker: Asker | None = None
    _before = Spent()
    _closed = False
    _making = threading.Lock()

    def __init__(
        self,
        model: str = "",
        base_url: str = "",
        key_env: str = "OPENAI_API_KEY",
        mode: Literal["live", "cache", "record", "replay", "off"] = "cache",
        cache: str = "",
        temperature: float | None = 0.0,
        seed: int | None = None,
        max_answer_tokens: int = 1024,
        timeout: float = 60.0,
        deadline: float = 180.0,
        retries: int = 2,
        concurrency: int = 4,
        max_calls: int | None = None,
        max_tokens: int | None = None,
        max_cost: float | None = None,
        prices: Mapping[str, float] = {},
        allow_http: bool = False,
        json_mode: Literal["schema", "object", "none"] = "schema",
        extra: Mapping[str, Any] = {},
    ) -> None:
        self.model = model
        self.base_url = base_url
        self.key_env = key_env
        self.mode = mode
        self.cache = cache
        self.temperature = temperature
        self.seed = seed
        self.max_answer_tokens = max_answer_tokens
        self.timeout = timeout
        self.deadline = deadline
        self.retries = retries
        self.concurrency = concurrency
        self.max_calls = max_calls
        self.max_tokens = max_tokens
        self.max_cost = max_cost
        self.prices = prices
        self.allow_http = allow_http
        self.json_mode = json_mode
        self.extra = extra

    @property
    def init_args(self) -> dict[str, Any]:
        """The constructor's arguments, without what could be a secret: password or query of a URL, a key by mistake."""
        given = super().init_args
        given["base_url"] = without_secrets(self.base_url)
        given["key_env"] = self.key_env if is_variable(self.key_env) else "***"
        return given

    def validate(self, setup: Any = None) -> None:
        """Checks the arguments; the endpoint is not asked.

        Raises:
            InvalidHyperparameter: If one has an impossible value.
            NotConfigured: If no model is named, or `base_url` is no address, or none that a key may be sent to.
        """
        check_arguments(self)
        if not self.model and self.mode != "off":
            raise NotConfigured.nameless()
        if self.base_url:
            read_address(self.base_url, self.allow_http)

    def ask(
        self,
        messages: Sequence[Message],
        schema: Mapping[str, Any],
        check: Callable[[Any], T],
        version: str = "",
        fits: Mapping[str, Any] | None = None,
    ) -> Answer[T]:
        """Asks, and returns what `check` makes of the answer.

        A wrong answer is shown to the model once more with the sentence that says what is wrong with it. Wrong ones
        are kept like right ones, and checked again when they are read: a second run makes no call for them either.

        Args:
            messages: The conversation, each with `role` and `content`.
            schema: What the answer must be like, in the part of JSON Schema that `teachrl.llm.json_schema` knows.
            check: Gets the answer as data that fits, returns what it means, and raises `InvalidAnswer` (or
                another `TeachrlError`) with a sentence that the model can act on.
            version: The prompt's version, a part of what answers are cached under.
            fits: The schema that answers are checked against before `check` sees them, where that is not `schema`.

        Raises:
            LLMError: If there is no valid answer: `NotConfigured`, `Unavailable`, `InvalidAnswer`, `BudgetSpent`,
                `CacheMiss` or `SwitchedOff`.
            InvalidHyperparameter: If the arguments or the schema are wrong.
        """
        return self._ready().ask(messages, schema, check, version, fits)

    def scalars(self) -> dict[str, float]:
        """Returns what was asked and spent since the process began, for logs.

        `llm/asked` questions, `llm/hits` answers from the cache, `llm/repaired` answers right at the second attempt,
        `llm/calls` requests, `llm/tokens` (`llm/input_tokens`, `llm/output_tokens`), `llm/cost` in US dollars,
        `llm/estimated` requests whose tokens are an estimate, `llm/failures/<kind>` questions without an answer.
        """
        return (self._asker or Asker(self)).scalars()

    def state_dict(self) -> dict[str, Any]:
        """Returns what was spent so far, for a run that is resumed to stay within the same limits."""
        spent = self._before if self._asker is None else self._asker.budget.before.plus(self._asker.budget.spent)
        return asdict(spent)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from a `state_dict`: limits are on what was spent then, too, unless it was this object that did."""
        here = Spent() if self._asker is None else self._asker.budget.spent
        self._before = Spent(**state).without(here)
        if self._asker is not None:
            self._asker.budget.before = self._before

    def close(self) -> None:
        """Closes connections and cache and ends all waiting; later questions are refused with `SwitchedOff`."""
        with self._making:
            self._closed = True
        self.__del__()

    def __del__(self) -> None:
        if self._asker is not None:  # without the lock, which may be held where garbage is collected
            self._asker.close()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_asker", "_before", "_closed")}

    def _ready(self) -> Asker:
        with self._making:
            if self._asker is None:
                if self._closed:
                    raise SwitchedOff("This client is closed; make a new one to ask more.")
                check_arguments(self)
                self._asker = Asker(self)
                self._asker.budget.before = self._before
            return self._asker
