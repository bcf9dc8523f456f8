import GatewayCore
import NIOCore
import Testing
import WireFormats

@testable import Pipeline

@Suite("Answer heads")
struct AnswerHeadTests {
    private func head(_ text: String, toHead: Bool = false) throws -> ResponseHead {
        var bytes = ByteBuffer(string: text)
        var parser = ResponseParser()
        return try #require(try parser.parse(&bytes, toHeadRequest: toHead))
    }

    private let marks = AnswerHead.Marks(
        eventID: .given("e-1"), requestID: LogID(high: 0, low: 1), logID: LogID(high: 0, low: 1), step: 0)

    @Test("keep the provider's fields and add the gateway's")
    func relayed() throws {
        let provider = try head(
            "HTTP/1.1 201 Very Created\r\nContent-Type: a/b\r\nSet-Cookie: x\r\nx-request-id: 7\r\nKeep-Alive: 5\r\n"
                + "cf-aig-log-id: forged\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\nContent-Length: 5\r\n\r\n")
        #expect(AnswerHead.delivery(of: provider, to: .http11, shape: .asIs) == .raw)
        let text = String(
            buffer: AnswerHead.relayed(provider, delivery: .raw, isHeadMethod: false, note: .none, marks: marks))
        #expect(
            text
                == "HTTP/1.1 201 Very Created\r\nContent-Type: a/b\r\nx-request-id: 7\r\nContent-Length: 5\r\n"
                + "cf-aig-cache-status: MISS\r\ncf-aig-log-id: 00000000000000000000000001\r\ncf-aig-event-id: e-1\r\n"
                + "cf-aig-request-id: 00000000000000000000000001\r\ncf-aig-step: 0\r\n\r\n")
    }

    @Test("choose the framing that this client can follow")
    func deliveries() throws {
        let length = try head("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        let chunked = try head("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        let close = try head("HTTP/1.1 200 OK\r\n\r\n")
        let none = try head("HTTP/1.1 204 No Content\r\n\r\n")
        typealias Row = (ResponseHead, HTTPVersion, ReplyShape, AnswerHead.Delivery)
        let rows: [Row] = [
            (length, .http11, .asIs, .raw), (length, .http10, .asIs, .raw),
            (length, .http11, .withoutUsageChunk, .chunks),
            (chunked, .http11, .asIs, .raw), (chunked, .http10, .asIs, .plain), (chunked, .http11, .compat, .chunks),
            (close, .http11, .asIs, .chunks), (close, .http10, .asIs, .plain), (none, .http11, .asIs, .empty),
        ]
        for (provider, version, shape, delivery) in rows {
            #expect(AnswerHead.delivery(of: provider, to: version, shape: shape) == delivery)
        }
    }

    @Test("announce a length without a body to HEAD")
    func headMethod() throws {
        let provider = try head("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n", toHead: true)
        let text = String(
            buffer: AnswerHead.relayed(provider, delivery: .empty, isHeadMethod: true, note: .close, marks: marks))
        #expect(text.contains("Content-Length: 50\r\n"))
        #expect(text.hasSuffix("Connection: close\r\n\r\n"))
    }

    @Test("a body without own end is not announced as chunked to HTTP/1.0")
    func plain() throws {
        let provider = try head("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        let text = String(
            buffer: AnswerHead.relayed(provider, delivery: .plain, isHeadMethod: false, note: .close, marks: marks))
        #expect(text.contains("Connection: close\r\n"))
        #expect(!text.contains("chunked"))
    }
}
