"""The life of the processes: whatever dies or is replaced, nobody else notices, and every answer has its row."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess

import httpx
import pytest

from harness.daemon import BINARY, REPOSITORY, Daemon, alive, environment_of, process_title
from harness.load import Load
from harness.provider import SSE_HEAD, chat_chunks, sse_event
from harness.raw import request_bytes
from harness.waiting import Gate, until

pytestmark = [pytest.mark.process, pytest.mark.timeout(400)]

STREAM = json.dumps({"model": "gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": "hi"}]}).encode()
CHAT = {"model": "sandbox/echo", "messages": [{"role": "user", "content": "ping"}]}


def counts(daemon, gateway):
    """How many rows each log id of a gateway has."""
    with daemon.database() as connection:
        return dict(connection.execute(
            "SELECT id, count(*) FROM logs WHERE gateway_id = %s GROUP BY id", [gateway]).fetchall())


def every_answer_has_one_row(daemon, gateway, answered, within=60.0):
    assert len(set(answered)) == len(answered), "a log id was given out twice"
    rows = {}

    def complete():
        try:
            rows.clear()
            rows.update(counts(daemon, gateway))
        except Exception:  # PostgreSQL may still be on its way back
            return False
        return set(answered) <= set(rows)

    until(complete, within, lambda: f"rows of {len(answered)} answers; {len(set(answered) - set(rows))} are missing",
          every=0.1)
    repeated = {log_id: count for log_id, count in rows.items() if count != 1}
    assert not repeated, f"more than one row: {repeated}"


@pytest.fixture(scope="module")
def mortal(the_provider):
    """A daemon whose children this module kills, one after the other."""
    with Daemon(provider=the_provider, workers=2).running() as daemon:
        yield daemon


def test_the_processes_are_visible_by_name(mortal):
    titles = sorted(mortal.processes().values())
    for pattern, count in ((r"^aigatewayd: front\b", 1), (r"^aigatewayd: worker \d+", 2),
                           (r"^aigatewayd: control\b", 1), (r"redis-server", 1)):
        assert len(mortal.find(pattern)) == count, titles
    assert mortal.postmaster() in mortal.family()
    assert len({mortal.processes()[pid] for pid in mortal.workers()}) == 2, titles


def thread_times(pid):
    """Nanoseconds that the main thread of a process has run, and all its others together."""
    times = {}
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat") as stat:
            times[int(thread)] = int(stat.read().split()[0])
    return times.pop(pid), sum(times.values())


def test_a_worker_has_one_thread_that_runs_and_no_foundation(mortal):
    before = {pid: thread_times(pid) for pid in mortal.workers()}
    # With a limit, each request waits for Redis and is resumed.
    gateway = mortal.api.create_gateway(rate_limiting_limit=10**6, rate_limiting_interval=3600)
    with Load(mortal, gateway, connections=8) as load:
        load.more(1000)
        assert load.stop()["failed"] == []
    for pid, (main, others) in before.items():
        main, others = (now - then for now, then in zip(thread_times(pid), (main, others)))
        assert others < main / 50, f"{others} ns on other threads, {main} ns on the loop's"
        with open(f"/proc/{pid}/maps") as maps:
            assert "libFoundation" not in maps.read()


@pytest.mark.parametrize("mode", ["keep", "close"])
@pytest.mark.parametrize("victim", ["front", "worker", "control", "postgres", "redis"])
def test_killing_a_child_under_load_costs_at_most_its_own_requests(mortal, provider, victim, mode):
    daemon = mortal
    gateway = daemon.api.create_gateway()
    connections = 16
    pid = {
        "front": lambda: daemon.one(r"^aigatewayd: front\b"), "worker": lambda: daemon.workers()[0],
        "control": lambda: daemon.one(r"^aigatewayd: control\b"), "postgres": daemon.postmaster,
        "redis": lambda: daemon.one(r"redis-server"),
    }[victim]()
    with Load(daemon, gateway, connections=connections, mode=mode) as load:
        load.more(300)
        os.kill(pid, signal.SIGKILL)
        until(lambda: not alive(pid), 30, "the victim's end")
        load.more(300)
        # It is started again while the load goes on.
        if victim == "postgres":
            until(lambda: postmaster_or_none(daemon) not in (None, pid), 60, "a new postmaster")
        else:
            pattern = {"front": r"^aigatewayd: front\b", "worker": r"^aigatewayd: worker \d+",
                       "control": r"^aigatewayd: control\b", "redis": r"redis-server"}[victim]
            expected = 2 if victim == "worker" else 1
            until(lambda: len([found for found in daemon.find(pattern) if found != pid]) == expected, 30,
                  lambda: f"a new {victim} among {daemon.processes()}")
        load.more(300)
        result = load.stop()
    if victim == "worker":
        # One request was in flight per connection, and each connection belonged to one worker.
        assert len(result["failed"]) <= connections, result["failed"][:5]
    elif victim == "front" and mode == "close":
        # A connection that was accepted but not yet handed over dies with the front.
        assert len(result["failed"]) <= connections, result["failed"][:5]
    else:
        assert result["failed"] == []
    every_answer_has_one_row(daemon, gateway, result["answered"])
    daemon.await_ready()
    answer = httpx.post(f"{daemon.base(gateway)}/compat/chat/completions", json=CHAT, timeout=30)
    assert answer.status_code == 200
    assert daemon.api.log(gateway, answer.headers["cf-aig-log-id"], within=30)["success"] is True


def postmaster_or_none(daemon):
    try:
        pid = daemon.postmaster()
    except (AssertionError, OSError, ValueError, IndexError):
        return None
    return pid if alive(pid) else None


def test_a_worker_that_dies_in_the_middle_of_streams_cuts_only_its_own(mortal, provider):
    daemon = mortal
    gateway = daemon.api.create_gateway()
    rest = Gate()
    provider.always(gated_stream(rest))
    with Streams(daemon, gateway, 20) as streams:
        victim = daemon.workers()[0]
        os.kill(victim, signal.SIGKILL)
        until(lambda: not alive(victim), 30, "the victim's end")
        rest.open()
        whole = [events for events in streams.finish() if events and events[-1] == sse_event("[DONE]")]
    # Least connections: they were spread evenly.
    assert 5 <= len(whole) <= 15, f"{len(whole)} of 20 streams survived"
    until(lambda: len(daemon.workers()) == 2, 60, "two workers")


def gated_stream(gate):
    """Two events at once, the others when the gate opens."""
    def script(exchange):
        events = chat_chunks(["one ", "two ", "three "], usage=(3, 3))
        exchange.head(200, SSE_HEAD)
        for event in events[:2]:
            exchange.event(event)
        gate.wait(120)
        for event in events[2:]:
            exchange.event(event)
        exchange.end()
    return script


class Streams:
    """Many open streams at once; each has shown its first two events when the block begins."""

    def __init__(self, daemon, gateway, count):
        self.daemon = daemon
        self.connections = [daemon.connect(within=150) for _ in range(count)]
        self.heads = []
        self.readers = []
        for connection in self.connections:
            connection.send(request_bytes("POST", daemon.path(gateway, "/openai/chat/completions"),
                                          [("Content-Type", "application/json")], STREAM))
        for connection in self.connections:
            head = connection.head()
            assert head.status == 200
            self.heads.append(head)
            reader = connection.events(head)
            first = [next(reader)[1], next(reader)[1]]
            self.readers.append((reader, first))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for connection in self.connections:
            connection.close()

    @property
    def log_ids(self):
        return [head.header("cf-aig-log-id") for head in self.heads]

    def finish(self):
        """All events of each stream; of a cut one, those that came."""
        finished = []
        for reader, events in self.readers:
            try:
                for _, event in reader:
                    events.append(event)
            except Exception as error:
                events.append(error)
            finished.append(events)
        return finished


EXPECTED = [sse_event(event) for event in chat_chunks(["one ", "two ", "three "], usage=(3, 3))]


def test_reloading_with_other_worker_counts_fails_nothing(new_daemon, provider):
    daemon = new_daemon(workers=2).start()
    gateway = daemon.api.create_gateway()
    rest = Gate()
    provider.always(gated_stream(rest))
    with Streams(daemon, gateway, 50) as streams, Load(daemon, gateway) as keep, Load(
            daemon, gateway, mode="close", connections=4) as close:
        known = set(daemon.workers())
        assert len(known) == 2
        for count in (4, 1):
            daemon.settings["workers"]["count"] = count
            daemon.write_config()
            daemon.process.send_signal(signal.SIGHUP)
            fresh = until(lambda: (found := set(daemon.workers()) - known) and len(found) == count and found, 60,
                          lambda: f"{count} new workers among {daemon.processes()}")
            known |= fresh
            keep.more(500)
            close.more(100)
        rest.open()
        assert streams.finish() == [EXPECTED] * 50
        # The old workers had only the streams left to do.
        until(lambda: set(daemon.workers()) == fresh, 30, lambda: f"only {fresh} among {daemon.processes()}")
        results = [keep.stop(), close.stop()]
    assert [result["failed"] for result in results] == [[], []]
    every_answer_has_one_row(daemon, gateway, [*results[0]["answered"], *results[1]["answered"], *streams.log_ids])
    daemon.stop()


def test_a_bad_configuration_is_refused_on_reload(new_daemon, provider):
    daemon = new_daemon(workers=1).start()
    gateway = daemon.api.create_gateway()
    workers = daemon.workers()
    with Load(daemon, gateway, connections=4) as load:
        daemon.settings["workers"]["cuont"] = 3
        daemon.write_config()
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: "workers.cuont" in daemon.output(), 20, "the complaint")
        load.more(200)
        assert load.stop()["failed"] == []
    assert daemon.workers() == workers
    del daemon.settings["workers"]["cuont"]
    daemon.settings["workers"]["count"] = 2
    daemon.write_config()
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: len(set(daemon.workers()) - set(workers)) == 2, 60, "two new workers")
    daemon.stop()


def family_of(pid):
    """A process and all its descendants."""
    found, queue = [], [pid]
    while queue:
        current = queue.pop()
        found.append(current)
        try:
            for task in os.listdir(f"/proc/{current}/task"):
                with open(f"/proc/{current}/task/{task}/children") as children:
                    queue += [int(child) for child in children.read().split()]
        except OSError:
            pass
    return found


def test_the_database_may_stand_still_and_every_row_arrives_once_it_is_back(new_daemon, provider):
    daemon = new_daemon(workers=2).start()
    gateway = daemon.api.create_gateway()
    stopped = family_of(daemon.postmaster())
    with Load(daemon, gateway) as load:
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            load.more(2000)
            assert httpx.get(f"{daemon.data_url}/readyz", timeout=30).status_code == 200
        finally:
            for pid in stopped:
                if alive(pid):
                    os.kill(pid, signal.SIGCONT)
        load.more(200)
        result = load.stop()
    assert result["failed"] == []
    every_answer_has_one_row(daemon, gateway, result["answered"], within=90)
    daemon.stop()


def test_a_paused_redis_costs_no_request(new_daemon, provider):
    daemon = new_daemon(workers=1).start()
    gateway = daemon.api.create_gateway()
    redis = daemon.one(r"redis-server")
    with Load(daemon, gateway, connections=8) as load:
        os.kill(redis, signal.SIGSTOP)
        try:
            load.more(1000)
        finally:
            os.kill(redis, signal.SIGCONT)
        load.more(100)
        result = load.stop()
    assert result["failed"] == []
    every_answer_has_one_row(daemon, gateway, result["answered"])
    daemon.stop()


def refuses_connections(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return True
    return False


def test_sigterm_finishes_what_is_in_flight_and_ships_every_row(new_daemon, provider):
    daemon = new_daemon(workers=2).start()
    gateway = daemon.api.create_gateway()
    rest = Gate()
    provider.always(gated_stream(rest))
    with Load(daemon, gateway) as load:
        load.more(300)
        result = load.stop()
    assert result["failed"] == []
    with Streams(daemon, gateway, 4) as streams:
        daemon.process.send_signal(signal.SIGTERM)
        until(lambda: refuses_connections(daemon.data_port), 20, "the end of accepting")
        assert daemon.process.poll() is None
        rest.open()
        assert streams.finish() == [EXPECTED] * 4
        log_ids = streams.log_ids
    assert daemon.process.wait(60) == 0
    daemon.check_output()
    daemon.start()
    every_answer_has_one_row(daemon, gateway, [*result["answered"], *log_ids], within=30)
    daemon.stop()


@pytest.mark.parametrize("mode", ["keep", "close"])
def test_sigterm_under_load_ends_the_daemon_and_keeps_every_row(new_daemon, provider, mode):
    daemon = new_daemon(workers=2).start()
    gateway = daemon.api.create_gateway()
    with Load(daemon, gateway, mode=mode) as load:
        load.more(500)
        daemon.process.send_signal(signal.SIGTERM)
        # Clients that never tire must not keep it from ending.
        assert daemon.process.wait(90) == 0
        result = load.stop()
    daemon.start()
    every_answer_has_one_row(daemon, gateway, result["answered"])
    daemon.stop()


def test_a_second_sigterm_ends_it_at_once(new_daemon, provider):
    daemon = new_daemon(workers=1).start()
    gateway = daemon.api.create_gateway()
    rest = Gate()
    provider.always(gated_stream(rest))
    with Streams(daemon, gateway, 1):
        family = daemon.family()
        daemon.process.send_signal(signal.SIGTERM)
        until(lambda: refuses_connections(daemon.data_port), 20, "the end of accepting")
        assert daemon.process.poll() is None
        daemon.process.send_signal(signal.SIGTERM)
        daemon.process.wait(30)
        until(lambda: not [pid for pid in family if alive(pid)], 30,
              lambda: f"the end of {[pid for pid in family if alive(pid)]}")
    rest.open()


def test_a_killed_supervisor_takes_its_children_with_it_and_the_next_start_has_every_row(new_daemon, provider):
    daemon = new_daemon(workers=2).start()
    gateway = daemon.api.create_gateway()
    with Load(daemon, gateway) as load:
        load.more(500)
        family = daemon.family()
        daemon.process.kill()
        daemon.process.wait(30)
        until(lambda: not [pid for pid in family if alive(pid)], 40,
              lambda: f"the end of {[(pid, process_title(pid)) for pid in family if alive(pid)]}")
        result = load.stop()
    daemon.start()
    every_answer_has_one_row(daemon, gateway, result["answered"])
    daemon.stop()


def test_a_child_that_never_comes_up_ends_the_daemon_with_a_clear_message(new_daemon, tmp_path):
    if not (BINARY.parent / "aigatewayd-worker").exists():
        pytest.fail(f"no worker beside {BINARY}")
    directory = tmp_path / "bin"
    directory.mkdir()
    copy = directory / "aigatewayd"
    try:
        os.link(BINARY, copy)
    except OSError:
        shutil.copy2(BINARY, copy)
    (tmp_path / "share/aigatewayd").mkdir(parents=True)
    (tmp_path / "share/aigatewayd/migrations").symlink_to(REPOSITORY / "migrations")
    broken = directory / "aigatewayd-worker"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    daemon = new_daemon(workers=1)
    daemon.write_config()
    ended = subprocess.run([copy, "serve", "--config", daemon.config], capture_output=True, text=True, timeout=180,
                           stdin=subprocess.DEVNULL, env=environment_of({}))
    assert ended.returncode == 70, ended.stderr[-2000:]
    assert re.search(r"(worker|front)\b.*\b3\b", ended.stderr), ended.stderr[-2000:]


def test_many_reloads_leave_no_process_and_no_descriptor_behind(new_daemon, provider):
    daemon = new_daemon(workers=1).start()
    gateway = daemon.api.create_gateway()
    supervisor = daemon.process.pid
    descriptors = None
    with Load(daemon, gateway, connections=4) as load:
        for _ in range(5):
            known = set(daemon.workers())
            daemon.process.send_signal(signal.SIGHUP)
            until(lambda: len(now := set(daemon.workers())) == 1 and not now & known, 60,
                  lambda: f"one new worker instead of {known} among {daemon.processes()}")
            load.more(50)
            now = len(os.listdir(f"/proc/{supervisor}/fd"))
            descriptors = descriptors or now
            assert now <= descriptors + 2, "the supervisor leaks descriptors"
        result = load.stop()
    assert result["failed"] == []
    every_answer_has_one_row(daemon, gateway, result["answered"])
    daemon.stop()
