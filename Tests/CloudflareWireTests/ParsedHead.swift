import CloudflareWire
import GatewayCore
import NIOCore
import Testing
import WireFormats

/// A request head with these fields, read the way the proxy reads it.
func parsedHead(_ fields: [String], target: String = "/") throws -> RequestHead {
    var bytes = ByteBuffer(
        string: "POST \(target) HTTP/1.1\r\nHost: h\r\n" + fields.map { $0 + "\r\n" }.joined() + "\r\n"
    )
    var parser = RequestParser()
    return try #require(try parser.parse(&bytes))
}

/// What these fields ask for.
func directives(_ fields: [String]) throws -> Directives { Directives.parse(try parsedHead(fields)) }
