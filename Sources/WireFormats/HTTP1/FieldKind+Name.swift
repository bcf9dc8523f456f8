import CByteKernels
package import GatewayCore

extension FieldKind {
    /// The kind of a field by its name: `count` token characters at `name`, in any case.
    package init(name: UnsafeRawPointer, count: Int) {
        let first = name.load(as: UInt8.self) | 0x20
        let candidate: FieldKind
        let spelling: StaticString
        switch (count, first) {
        case (2, 0x74): (candidate, spelling) = (.te, "te")
        case (4, 0x68): (candidate, spelling) = (.host, "host")
        case (4, 0x64): (candidate, spelling) = (.date, "date")
        case (6, 0x65): (candidate, spelling) = (.expect, "expect")
        case (6, 0x73): (candidate, spelling) = (.server, "server")
        case (7, 0x75): (candidate, spelling) = (.upgrade, "upgrade")
        case (7, 0x74): (candidate, spelling) = (.trailer, "trailer")
        case (10, 0x63): (candidate, spelling) = (.connection, "connection")
        case (10, 0x6B): (candidate, spelling) = (.keepAlive, "keep-alive")
        case (10, 0x75): (candidate, spelling) = (.userAgent, "user-agent")
        case (10, 0x73): (candidate, spelling) = (.setCookie, "set-cookie")
        case (12, 0x63): (candidate, spelling) = (.contentType, "content-type")
        case (13, 0x61): (candidate, spelling) = (.authorization, "authorization")
        case (14, 0x63): (candidate, spelling) = (.contentLength, "content-length")
        case (15, 0x61): (candidate, spelling) = (.acceptEncoding, "accept-encoding")
        case (16, 0x63): (candidate, spelling) = (.contentEncoding, "content-encoding")
        case (17, 0x74): (candidate, spelling) = (.transferEncoding, "transfer-encoding")
        case (7..., 0x70):
            self = aig_same_letters(name, "proxy-", 6) != 0 ? .proxyPrefixed : .other
            return
        default:
            self = .other
            return
        }
        self = aig_same_letters(name, spelling.utf8Start, count) != 0 ? candidate : .other
    }
}
