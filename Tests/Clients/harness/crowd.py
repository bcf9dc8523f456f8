"""Many clients at once, each on a connection of its own, so that they are spread over all workers."""

from .fleet import await_everything_read
from .raw import ConnectionEnded, request_bytes
from .waiting import Deadline


class Crowd:
    """Connections that are open before the first of them asks; with several daemons they take turns."""

    def __init__(self, count, *daemons, within=90):
        self.daemons = daemons
        self.connections = [daemons[number % len(daemons)].connect(within=within) for number in range(count)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for connection in self.connections:
            connection.close()

    def send(self, gateway, body, headers=(), rest="/openai/chat/completions"):
        """The same request from everybody; `body` may also be a function of the client's number."""
        for number, connection in enumerate(self.connections):
            daemon = self.daemons[number % len(self.daemons)]
            own = body(number) if callable(body) else body
            fields = [("Content-Type", "application/json"), *(headers(number) if callable(headers) else headers)]
            connection.send(request_bytes("POST", daemon.path(gateway, rest), fields, own))

    def await_read(self):
        """Waits until the workers have read all that was sent."""
        await_everything_read(*self.daemons)

    def answers(self):
        """Everybody's answer, or the `ConnectionEnded` of those whose connection was cut."""
        return [self._answer(connection) for connection in self.connections]

    def whole_answers(self):
        """Everybody's answer; nobody's connection may have been cut."""
        answers = self.answers()
        cut = [answer for answer in answers if isinstance(answer, ConnectionEnded)]
        assert not cut, f"{len(cut)} of {len(answers)} connections were cut: {cut[0]}"
        return answers

    def ask(self, gateway, body, headers=(), rest="/openai/chat/completions"):
        self.send(gateway, body, headers, rest)
        return self.whole_answers()

    @staticmethod
    def _answer(connection):
        try:
            return connection.answer("POST")
        except Deadline:
            raise
        except ConnectionEnded as end:
            return end


class Listeners:
    """The clients of a crowd as they read event streams, each at the same event."""

    def __init__(self, crowd, first_events):
        self.readers = []
        self.heads = []
        for connection in crowd.connections:
            head = connection.head()
            assert head.status == 200, head
            self.heads.append(head)
            reader = connection.events(head)
            self.readers.append((reader, [next(reader)[1] for _ in range(first_events)]))

    def finish(self):
        """The events of each and how its stream ended: None as it should, else with the error."""
        return [self._finish(reader, events) for reader, events in self.readers]

    @staticmethod
    def _finish(reader, events):
        try:
            for _, event in reader:
                events.append(event)
        except Deadline:
            raise
        except ConnectionEnded as end:
            return events, end
        return events, None
