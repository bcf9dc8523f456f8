package import GatewayCore
import NIOCore
import WireFormats

extension AnswerForm {
    /// The form of an answer that may be kept and shared; nil for all others.
    ///
    /// - Source: data-plane §4.1: complete 2xx answers with text or images, streams where they are opted in ·
    ///   documented; 206 is a part of an answer, and one to HEAD has no payload to repeat · assumed
    /// - Parameters:
    ///   - bound: most payload bytes, where the head announces how many there will be.
    package init?(keepable head: ResponseHead, terms: CacheTerms, bound: Int) {
        guard (200..<300).contains(head.status), head.status != 206 else { return nil }
        switch head.framing {
        case .none: guard head.status == 204 else { return nil }
        case .length(let length): guard length <= bound else { return nil }
        case .chunked, .untilClose: break
        }
        let type = head.value(.contentType)
        if let type,
            Self.begins(type, with: "audio/") || Self.begins(type, with: "video/")
                || Self.begins(type, with: "multipart/")
        {
            return nil
        }
        let isStream = type.map { Self.isEventStream($0) } ?? false
        guard !isStream || terms.keepsStreams else { return nil }
        self.init(
            status: head.status, contentType: type, contentEncoding: head.value(.contentEncoding),
            delivery: isStream ? .stream : .whole
        )
    }

    private static func isEventStream(_ type: String) -> Bool {
        isNamed("text/event-stream", type) || isNamed("application/vnd.amazon.eventstream", type)
    }

    private static func isNamed(_ name: StaticString, _ type: String) -> Bool {
        guard begins(type, with: name) else { return false }
        let next = type.utf8.dropFirst(name.utf8CodeUnitCount).first
        return next == nil || next == 0x3b || next == 0x20
    }

    /// Whether a media type begins with `prefix`, which is in lower case.
    private static func begins(_ type: String, with prefix: StaticString) -> Bool {
        var rest = type.utf8.makeIterator()
        for index in 0..<prefix.utf8CodeUnitCount {
            guard let byte = rest.next(), byte | 0x20 == prefix.utf8Start[index] else { return false }
        }
        return true
    }

    /// The head under which the answer is repeated; nil when it cannot be made, which no kept answer causes.
    ///
    /// - Parameter length: of the payload, where it is sent with its length.
    func head(length: Int) -> ResponseHead? {
        var bytes = ByteBuffer()
        bytes.reserveCapacity(160)
        HeadWriter.statusLine(status, into: &bytes)
        if let contentType { HeadWriter.field("Content-Type", contentType, into: &bytes) }
        if let contentEncoding { HeadWriter.field("Content-Encoding", contentEncoding, into: &bytes) }
        if status != 204 {
            switch delivery {
            case .whole: HeadWriter.field("Content-Length", number: length, into: &bytes)
            case .stream: HeadWriter.field("Transfer-Encoding", "chunked", into: &bytes)
            }
        }
        HeadWriter.endOfHead(into: &bytes)
        var parser = ResponseParser()
        do { return try parser.parse(&bytes, toHeadRequest: false) } catch { return nil }
    }
}
