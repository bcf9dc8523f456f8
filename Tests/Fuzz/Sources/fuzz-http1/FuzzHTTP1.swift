import FuzzDriver
import GatewayCore
import NIOCore
import WireFormats

/// What came of reading a stream of messages: the heads' bytes, the payload, and why reading stopped.
private struct Reading: Equatable {
    var heads: [[UInt8]] = []
    var payload: [UInt8] = []
    var error: HTTP1Error?
}

/// Reads `bytes` as pipelined requests or responses that arrive in pieces of `step` bytes.
private func read(_ bytes: UnsafeRawBufferPointer, asResponses: Bool, step: Int) -> Reading {
    var reading = Reading()
    var requests = RequestParser(limits: HTTP1Limits(headBytes: 2_048, fields: 20))
    var responses = ResponseParser(limits: HTTP1Limits(headBytes: 2_048, fields: 20))
    var follower: BodyFollower?
    var buffer = ByteBuffer()
    var at = 0
    do throws(HTTP1Error) {
        while at < bytes.count {
            let end = min(bytes.count, at + step)
            buffer.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[at..<end]))
            at = end
            var moves = true
            while moves {
                if var body = follower {
                    let piece = Array(buffer.readableBytesView)
                    let progress = try follow(&body, piece) { reading.payload.append(contentsOf: $0) }
                    buffer.moveReaderIndex(forwardBy: progress.consumed)
                    follower = body.isComplete ? nil : body
                    moves = body.isComplete
                } else if asResponses {
                    guard let head = try responses.parse(&buffer, toHeadRequest: false) else {
                        moves = false
                        continue
                    }
                    check(head)
                    reading.heads.append(Array(head.buffer.readableBytesView))
                    follower = BodyFollower(head.framing)
                } else {
                    guard let head = try requests.parse(&buffer) else {
                        moves = false
                        continue
                    }
                    check(head)
                    precondition(head.text(head.target).hasPrefix("/") || head.text(head.target) == "*")
                    reading.heads.append(Array(head.buffer.readableBytesView))
                    follower = BodyFollower(head.framing)
                }
                if follower?.isComplete == true { follower = nil }
            }
        }
    } catch {
        reading.error = error
    }
    return reading
}

private func follow(
    _ body: inout BodyFollower, _ bytes: [UInt8], payload: (UnsafeRawBufferPointer) -> Void
) throws(HTTP1Error) -> BodyFollower.Progress {
    let outcome: Result<BodyFollower.Progress, HTTP1Error> = bytes.withUnsafeBytes { bytes in
        do throws(HTTP1Error) { return .success(try body.follow(bytes, payload: payload)) } catch {
            return .failure(error)
        }
    }
    return try outcome.get()
}

/// Every field of an accepted head lies inside it, and written out it can be read again.
private func check(_ head: some MessageHead) {
    var copy = ByteBuffer(string: "GET / HTTP/1.0\r\n")
    for field in head.fields {
        precondition(field.name.upperBound < field.value.lowerBound || field.value.isEmpty)
        precondition(field.value.upperBound + 2 <= head.buffer.readableBytes)
        if field.kind != .transferEncoding { HeadWriter.copy(field, of: head, into: &copy) }
    }
    HeadWriter.endOfHead(into: &copy)
    var parser = RequestParser()
    guard let again = try? parser.parse(&copy) else { preconditionFailure("a copied head cannot be read") }
    precondition(again.fields.count == head.fields.count { $0.kind != .transferEncoding })
}

extension Array {
    fileprivate func count(where matches: (Element) -> Bool) -> Int { reduce(0) { $0 + (matches($1) ? 1 : 0) } }
}

@main
enum FuzzHTTP1: FuzzTarget {
    static func attempt(_ input: UnsafeRawBufferPointer) {
        guard input.count > 1 else { return }
        let bytes = input.from(1)
        let asResponses = input[0] & 1 == 1
        let whole = read(bytes, asResponses: asResponses, step: .max >> 1)
        let pieces = read(bytes, asResponses: asResponses, step: Int(input[0] >> 1) % 13 + 1)
        precondition(whole.heads == pieces.heads, "cutting the stream changed a head")
        precondition(whole.payload == pieces.payload, "cutting the stream changed a body")
    }
}
