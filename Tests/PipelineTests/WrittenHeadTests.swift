import NIOCore
import Testing

@testable import Pipeline

@Suite("Heads that get more fields")
struct WrittenHeadTests {
    private let bytes = ByteBuffer(
        bytes: Array("POST /x?y HTTP/1.1\r\nHost: h\r\nX-Amz-Date:  old \r\nX-Name: ".utf8) + [0xe4]
            + Array("\r\nContent-Length: 3\r\n\r\n".utf8)
    )

    @Test("fields are read and added at the end; bytes that are no text stay as they are")
    func adding() {
        let head = WrittenHead(bytes)
        #expect(head.method == "POST")
        #expect(head.fields.map(\.name) == ["Host", "X-Amz-Date", "X-Name", "Content-Length"])
        #expect(head.fields[1].value == "old")
        let more = head.without(["x-amz-date"]).adding([("Authorization", "v"), ("X-Amz-Date", "new")])
        let expected =
            Array("POST /x?y HTTP/1.1\r\nHost: h\r\nX-Name: ".utf8) + [0xe4]
            + Array("\r\nContent-Length: 3\r\nAuthorization: v\r\nX-Amz-Date: new\r\n\r\n".utf8)
        #expect(Array(more.readableBytesView) == expected)
        #expect(Array(head.adding([]).readableBytesView) == Array(bytes.readableBytesView))
    }

    @Test("another target changes the first line and nothing else")
    func asking() {
        let other = WrittenHead(bytes).asking("/z").bytes
        #expect(
            Array(other.readableBytesView)
                == Array("POST /z HTTP/1.1\r\n".utf8) + Array(bytes.readableBytesView.dropFirst(20)))
    }

    @Test("a value cannot end its line")
    func injection() {
        let more = WrittenHead(bytes).adding([("A", "b\r\nEvil: yes")])
        #expect(WrittenHead(more).fields.map(\.name) == ["Host", "X-Amz-Date", "X-Name", "Content-Length", "A"])
    }
}
