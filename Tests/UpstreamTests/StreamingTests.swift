import GatewayCore
import NIOCore
import TestKit
import Testing

@testable import Upstream

@Suite("Streaming and back-pressure", .timeLimit(.minutes(1)))
struct StreamingTests {
    @Test("interim answers are skipped, and an answer may arrive a byte at a time")
    func interimAndSlow() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller()
            let call = caller.start(.get(provider.origin()))
            let peer = await provider.accept()
            _ = try await peer.head()
            let text =
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 201 Created\r\n"
                + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
            for byte in text.utf8 { peer.send(ByteBuffer(bytes: [byte])) }
            let reply = try await call.value
            #expect(reply.head.status == 201)
            let sink = RecordingSink()
            reply.relay(to: sink)
            await sink.ended()
            #expect(sink.payloadText == "abc")
            provider.stop()
        }
    }

    @Test("each event is handed over when it arrives")
    func events() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller()
            let call = caller.start(.get(provider.origin()))
            let peer = await provider.accept()
            _ = try await peer.head()
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            let reply = try await call.value
            let sink = RecordingSink()
            reply.relay(to: sink)
            for round in 1...5 {
                peer.send("7\r\ndata: \(round)\r\n")
                await sink.received(12 * round)
            }
            peer.send("0\r\n\r\n")
            await sink.ended()
            #expect(sink.payloadText == (1...5).map { "data: \($0)" }.joined())
            provider.stop()
        }
    }

    @Test("an answer without length ends with the connection")
    func untilClose() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller()
            let call = caller.start(.get(provider.origin()))
            let peer = await provider.accept()
            _ = try await peer.head()
            peer.send("HTTP/1.1 200 OK\r\n\r\nall of it")
            peer.close()
            let sink = RecordingSink()
            try await call.value.relay(to: sink)
            await sink.ended()
            #expect(sink.payloadText == "all of it" && sink.lastCalls == 1 && sink.failures.isEmpty)
            provider.stop()
        }
    }

    @Test("an answer that breaks off fails, after what had arrived", arguments: ["close", "reset"])
    func truncation(_ how: String) async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller()
            let call = caller.start(.get(provider.origin()))
            let peer = await provider.accept()
            _ = try await peer.head()
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
            let sink = RecordingSink()
            try await call.value.relay(to: sink)
            await sink.received(4)
            if how == "close" { peer.close() } else { try peer.reset() }
            await sink.ended()
            #expect(sink.payloadText == "part" && sink.lastCalls == 0)
            #expect(sink.failures.map(\.kind) == [.providerUnreachable])
            #expect(sink.failures.first?.retry == .never)
            #expect(caller.upstream.counts == .init(open: 0, idle: 0))
            provider.stop()
        }
    }

    @Test("an answer that ended before delivery began is delivered all the same")
    func lateRelay() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller()
            let call = caller.start(.get(provider.origin()))
            let peer = await provider.accept()
            _ = try await peer.head()
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
            let reply = try await call.value
            peer.close()
            // The client's end is gone when it no longer counts.
            while caller.upstream.counts.open > 0 { await Task.yield() }
            let sink = RecordingSink()
            reply.relay(to: sink)
            await sink.ended()
            #expect(sink.payloadText == "part")
            #expect(sink.failures.count == 1)
            provider.stop()
        }
    }

    @Test("a malformed head fails the call, a malformed chunk the delivery")
    func malformed() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller()
            let first = caller.start(.get(provider.origin()))
            var peer = await provider.accept()
            _ = try await peer.head()
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")
            let error = await failure(of: first)
            #expect(error?.kind == .providerUnreachable && error?.origin == .provider)
            await peer.closed()

            let second = caller.start(.get(provider.origin()))
            peer = await provider.accept()
            _ = try await peer.head()
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n")
            let sink = RecordingSink()
            try await second.value.relay(to: sink)
            await sink.ended()
            #expect(sink.failures.map(\.kind) == [.providerUnreachable])
            await peer.closed()
            provider.stop()
        }
    }

    @Test("a provider may answer before the body is complete; the connection is not kept then")
    func earlyAnswer() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller()
            let body = RequestBody()
            body.append(ByteBuffer(string: "begin"))
            let call = caller.start(.post(provider.origin(), body, framing: .chunked))
            let peer = await provider.accept()
            _ = try await peer.head()
            _ = try await peer.bytes(10)
            peer.send("HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\n")
            let reply = try await call.value
            #expect(reply.head.status == 413)
            let sink = RecordingSink()
            reply.relay(to: sink)
            // The body goes on while the answer is relayed.
            body.append(ByteBuffer(string: "more"))
            #expect(try await peer.bytes(9) == "4\r\nmore\r\n")
            peer.send("stop")
            await sink.ended()
            #expect(sink.payloadText == "stop")
            await peer.closed()
            #expect(caller.upstream.counts.idle == 0)
            provider.stop()
        }
    }

    @Test(
        "a body that the client does not finish closes the connection and is the client's fault",
        arguments: [
            "fails", "is too short", "is too long",
        ])
    func brokenBody(_ how: String) async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller()
            let body = RequestBody()
            body.append(ByteBuffer(string: "four"))
            let call = caller.start(.post(provider.origin(), body, framing: .length(8)))
            let peer = await provider.accept()
            _ = try await peer.head()
            _ = try await peer.bytes(4)
            switch how {
            case "fails": body.fail()
            case "is too short": body.finish()
            default: body.append(ByteBuffer(string: "five5"))
            }
            let error = await failure(of: call)
            #expect(error?.kind == .malformedRequest && error?.origin == .client)
            await peer.closed()
            #expect(
                peer.receivedCount == "POST / HTTP/1.1\r\nHost: 127.0.0.1:\(provider.port)\r\nContent-Length: 8\r\n\r\n"
                    .utf8.count + 4)
            provider.stop()
        }
    }

    @Test("a large body is sent no faster than the provider takes it, and completely")
    func uploadBackPressure() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller()
            let total = 48 << 20
            let piece = ByteBuffer(repeating: 0x61, count: 64 << 10)
            let body = RequestBody()
            var wanted = true
            let demands = Mailbox<Bool>()
            body.onDemandChange {
                wanted = $0
                demands.put($0)
            }
            let call = caller.start(.post(provider.origin(), body, framing: .length(total)))
            let peer = await provider.accept()
            let head = try await peer.head()
            try peer.setReading(false)
            while wanted, body.received < total { body.append(piece) }
            // Nobody reads, so demand must have ended when the sockets' buffers and one high-water mark were full.
            #expect(!wanted && body.received < total / 2)
            #expect(await demands.take() == false)
            try peer.setReading(true)
            let producer = Task { @WorkerLoop in
                while body.received < total {
                    if wanted { body.append(piece) } else { _ = await demands.take() }
                }
                body.finish()
            }
            try await peer.swallow(until: head.utf8.count + total)
            await producer.value
            #expect(peer.receivedCount == head.utf8.count + total)
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            let sink = RecordingSink()
            try await call.value.relay(to: sink)
            await sink.ended()
            #expect(caller.upstream.counts == .init(open: 1, idle: 1))
            provider.stop()
        }
    }

    @Test("a paused reply stops the provider, with at most two reads in memory")
    func downloadBackPressure() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller()
            let total = 64 << 20
            let piece = ByteBuffer(repeating: 0x62, count: 64 << 10)
            let call = caller.start(.get(provider.origin()))
            let peer = await provider.accept()
            _ = try await peer.head()
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: \(total)\r\n\r\n")
            let reply = try await call.value
            let sink = RecordingSink(keepsBytes: false)
            sink.onReceive = { reply.setReading(false) }
            reply.relay(to: sink)
            var sent = peer.flood(piece, atMost: total)
            await sink.received(1)
            // Fill the sockets' buffers: once the peer stays unwritable over many turns of the loop, nobody reads.
            var quietTurns = 0
            while quietTurns < 200 {
                if peer.isWritable, sent < total {
                    sent += peer.flood(piece, atMost: total - sent)
                    quietTurns = 0
                }
                quietTurns += 1
                await Task.yield()
            }
            #expect(sent < total / 2)
            #expect(sink.count <= 2 * 32768)
            sink.onReceive = nil
            reply.setReading(true)
            while sent < total {
                await peer.writable()
                sent += peer.flood(piece, atMost: total - sent)
            }
            await sink.ended()
            #expect(sink.count == total && sink.lastCalls == 1)
            #expect(caller.upstream.counts == .init(open: 1, idle: 1))
            provider.stop()
        }
    }

    @Test("pausing and resuming from within the delivery neither loses nor doubles a byte")
    func reentrantPause() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller()
            let call = caller.start(.get(provider.origin()))
            let peer = await provider.accept()
            _ = try await peer.head()
            let text = String((0..<100_000).map { _ in "0123456789".randomElement() ?? "0" })
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\n\r\n" + text)
            let reply = try await call.value
            let sink = RecordingSink()
            sink.onReceive = {
                reply.setReading(false)
                reply.setReading(true)
            }
            reply.relay(to: sink)
            await sink.ended()
            #expect(sink.payloadText == text)
            provider.stop()
        }
    }
}
