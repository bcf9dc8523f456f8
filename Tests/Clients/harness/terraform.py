"""What Terraform's Cloudflare provider makes of a resource: what it sends, what it keeps as state, what it plans next.

Its rules, in short: a creation sends every attribute that is known and not null; a change by PUT sends the same, and null
for what was set before and is not any more; a change by PATCH sends only what differs. A refresh takes every attribute
from the answer of a GET, save those that are write-only. Attributes that are optional and not computed are planned as
null when the configuration leaves them out, so an answer that makes up a value for one is a difference for ever.
"""

UNKNOWN = object()


class Kind:
    """The attributes of a kind of resource by who may set them; computed ones may have defaults of the provider's own."""

    def __init__(self, required, optional=(), computed_optional=None, computed=(), write_only=(), update="PUT"):
        self.required = set(required)
        self.optional = set(optional)
        self.computed_optional = computed_optional or {}
        self.computed = set(computed)
        self.write_only = set(write_only)
        self.update = update

    @property
    def sent(self):
        return sorted(self.required | self.optional | set(self.computed_optional))


GATEWAY = Kind(
    required={"id", "cache_invalidate_on_update", "cache_ttl", "collect_logs", "rate_limiting_interval",
              "rate_limiting_limit"},
    optional={"logpush_public_key", "rate_limiting_technique", "retry_backoff", "retry_delay", "retry_max_attempts",
              "dlp", "guardrails", "stripe"},
    computed_optional={"authentication": UNKNOWN, "byok_only": UNKNOWN, "log_classification": UNKNOWN,
                       "log_management": UNKNOWN, "log_management_strategy": UNKNOWN, "logpush": UNKNOWN,
                       "store_id": UNKNOWN, "workers_ai_billing_mode": "postpaid", "zdr": UNKNOWN, "otel": UNKNOWN,
                       "spend_limits": UNKNOWN},
    computed={"created_at", "is_default", "modified_at"})
ROUTE = Kind(required={"name", "elements"}, computed={"id", "created_at", "modified_at", "deployment", "version"},
             update="PATCH")
STORE = Kind(required={"name"}, computed={"id", "created", "modified"})
SECRET = Kind(required={"name", "value", "scopes"}, optional={"comment"}, write_only={"value"},
              computed={"id", "status", "created", "modified"}, update="PATCH")


def without_nulls(value):
    """A value as Terraform compares it: a member that is null is one that is left out."""
    if isinstance(value, dict):
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    if isinstance(value, list):
        return [without_nulls(member) for member in value]
    return value


class Resource:
    """A resource of a configuration and what Terraform's state has of it."""

    def __init__(self, http, kind, collection, config, wrap=lambda body: body, unwrap=lambda result: result):
        self.http = http
        self.kind = kind
        self.collection = collection
        self.config = config
        self.state = None
        self.wrap = wrap
        self.unwrap = unwrap

    @property
    def path(self):
        return f"{self.collection}/{self.state['id']}"

    def _planned(self, name):
        """What an attribute is to be; UNKNOWN for what only the answer tells."""
        if self.config.get(name) is not None:
            return self.config[name]
        if name not in self.kind.computed_optional:
            return None
        default = self.kind.computed_optional[name]
        if default is UNKNOWN and self.state and self.state.get(name) is not None:
            return self.state[name]
        return default

    def plan(self):
        """What an apply would change: the attributes with what they are and are to be. Empty when all is well."""
        wanted = {name: self._planned(name) for name in self.kind.sent}
        if self.state is None:
            return {name: (None, value) for name, value in wanted.items() if value is not None and value is not UNKNOWN}
        return {name: (self.state.get(name), value) for name, value in wanted.items()
                if value is not UNKNOWN and without_nulls(self.state.get(name)) != without_nulls(value)}

    def apply(self):
        """Creates or changes what the plan says, as the provider sends it."""
        changes = self.plan()
        planned = {name: self._planned(name) for name in self.kind.sent}
        known = {name: value for name, value in planned.items() if value is not None and value is not UNKNOWN}
        if self.state is None:
            result = self.unwrap(self._call("POST", self.collection, self.wrap(known))["result"])
            self.state = {}
        else:
            cleared = {name: None for name, value in planned.items()
                       if value is None and self.state.get(name) is not None}
            body = {**known, **cleared}
            if self.kind.update == "PATCH":
                body = {name: body[name] for name in changes}
            answer = self._call(self.kind.update, self.path, body)
            result = answer.get("result") or answer["route"]
        # What the configuration says is believed; only the rest is read from the answer.
        for name in (*self.kind.computed, *self.kind.computed_optional):
            if self.config.get(name) is None:
                self.state[name] = result.get(name)
        self.state.update({name: value for name, value in planned.items() if value is not UNKNOWN
                           and self.config.get(name) is not None or value is None})
        return changes

    def refresh(self):
        """Takes the state from a GET; a resource that is not there is one to be made again."""
        answer = self.http.get(self.path)
        if answer.status_code == 404:
            self.state = None
            return self
        result = self._sound(answer)["result"]
        for name in (*self.kind.sent, *self.kind.computed):
            if name not in self.kind.write_only:
                self.state[name] = result.get(name)
        return self

    def imported(self, id):
        """The same resource as `terraform import` finds it."""
        other = Resource(self.http, self.kind, self.collection, self.config, self.wrap, self.unwrap)
        other.state = {"id": id}
        return other.refresh()

    def destroy(self):
        self._sound(self.http.delete(self.path))
        self.state = None

    def _call(self, method, path, body):
        return self._sound(self.http.request(method, path, json=body))

    def _sound(self, answer):
        assert answer.status_code == 200, f"{answer.request.method} {answer.request.url}: {answer.text}"
        return answer.json()
