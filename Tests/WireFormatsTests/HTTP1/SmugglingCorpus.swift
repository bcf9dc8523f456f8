import WireFormats

/// Requests that two servers might read differently, each with the reason for which this one refuses it.
enum SmugglingCorpus {
    static let refused: [(String, HTTP1Error)] = heads + lengths + encodings + fields + chunks

    private static let heads: [(String, HTTP1Error)] = [
        ("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", .bareLineFeed),
        ("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", .badStartLine),
        ("\u{16}\u{03}\u{01}\u{02}", .badMethod),
        (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", .badMethod),
        ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", .badMethod),
        ("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", .badMethod),
        ("GETTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTT / HTTP/1.1\r\nHost: a\r\n\r\n", .badMethod),
        ("GET\r\nHost: a\r\n\r\n", .badMethod),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
        ("GET http://other/ HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
        ("OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
        ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
        ("GET /a\u{00}b HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
        ("GET /a\u{7f} HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
        ("GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
        ("GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
        ("GET /\rHTTP/1.1\r\nHost: a\r\n\r\n", .badVersion),
        ("GET /\r\n\r\n", .badVersion),
        ("GET / a HTTP/1.1\r\nHost: a\r\n\r\n", .badVersion),
        ("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", .badVersion),
        ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", .badVersion),
        ("GET / HTTP/1.10\r\nHost: a\r\n\r\n", .badVersion),
        ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", .badVersion),
        ("GET / HTTP/0.9\r\n\r\n", .badVersion),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", .badVersion),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .badTarget),
        ("GET / http/1.1\r\nHost: a\r\n\r\n", .badVersion),
        ("GET / \r\nHost: a\r\n\r\n", .badVersion),
        ("GET / HTTP/1.1\nHost: a\r\n\r\n", .bareLineFeed),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n", .bareLineFeed),
        ("GET / HTTP/1.1\r\nHost: a\r\n\n", .bareLineFeed),
        ("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", .badFieldValue),
    ]

    private static let lengths: [(String, HTTP1Error)] = [
        ("Content-Length: 5\r\nContent-Length: 6\r\n", .conflictingLength),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", .conflictingLength),
        ("Content-Length: 5, 5\r\n", .badLength),
        ("Content-Length: 5,6\r\n", .badLength),
        ("Content-Length: +5\r\n", .badLength),
        ("Content-Length: -5\r\n", .badLength),
        ("Content-Length: 0x5\r\n", .badLength),
        ("Content-Length: 5 5\r\n", .badLength),
        ("Content-Length: 5;a\r\n", .badLength),
        ("Content-Length: 5.0\r\n", .badLength),
        ("Content-Length: \"5\"\r\n", .badLength),
        ("Content-Length:\r\n", .badLength),
        ("Content-Length: \u{b2}\r\n", .badLength),
        ("Content-Length: 9223372036854775808\r\n", .badLength),
        ("Content-Length: 18446744073709551621\r\n", .badLength),
        ("Content-Length: 00000000000000000000000005\r\n", .badLength),
        ("Content-Length: 5\u{0b}\r\n", .badFieldValue),
        ("Content-Length : 5\r\n", .badFieldName),
        ("Content-Length\r\n: 5\r\n", .badFieldName),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", .lengthWithTransferEncoding),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", .lengthWithTransferEncoding),
        ("Content-Length: 0\r\nTransfer-Encoding: identity\r\n", .lengthWithTransferEncoding),
    ].map(post)

    private static let encodings: [(String, HTTP1Error)] =
        [
            ("Transfer-Encoding: identity\r\n", .unsupportedTransferEncoding),
            ("Transfer-Encoding: gzip\r\n", .unsupportedTransferEncoding),
            ("Transfer-Encoding: gzip, chunked\r\n", .unsupportedTransferEncoding),
            ("Transfer-Encoding: chunked, chunked\r\n", .unsupportedTransferEncoding),
            ("Transfer-Encoding: chunked, identity\r\n", .unsupportedTransferEncoding),
            ("Transfer-Encoding: chunked,\r\n", .unsupportedTransferEncoding),
            ("Transfer-Encoding: ,chunked\r\n", .unsupportedTransferEncoding),
            ("Transfer-Encoding: xchunked\r\n", .unsupportedTransferEncoding),
            ("Transfer-Encoding: chunked;q=1\r\n", .unsupportedTransferEncoding),
            ("Transfer-Encoding: \"chunked\"\r\n", .unsupportedTransferEncoding),
            ("Transfer-Encoding:\r\n", .unsupportedTransferEncoding),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", .unsupportedTransferEncoding),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", .unsupportedTransferEncoding),
            ("Transfer-Encoding: \u{0b}chunked\r\n", .badFieldValue),
            ("Transfer-Encoding: chunked\u{00}\r\n", .badFieldValue),
            ("Transfer-Encoding : chunked\r\n", .badFieldName),
            ("Transfer-Encoding\t: chunked\r\n", .badFieldName),
            (" Transfer-Encoding: chunked\r\n", .obsoleteFolding),
            ("X: y\r\n Transfer-Encoding: chunked\r\n", .obsoleteFolding),
            ("Transfer-Encoding:\r\n chunked\r\n", .unsupportedTransferEncoding),
            ("X: y\rTransfer-Encoding: chunked\r\n", .badFieldValue),
            ("X: y\nTransfer-Encoding: chunked\r\n", .bareLineFeed),
            ("X: y\n\nTransfer-Encoding: chunked\r\n", .bareLineFeed),
        ].map(post) + [
            ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", .unsupportedTransferEncoding)
        ]

    private static let fields: [(String, HTTP1Error)] =
        [
            (": a\r\n", .badFieldName),
            ("X\r\n", .badFieldName),
            ("X Y: a\r\n", .badFieldName),
            ("X\u{00}: a\r\n", .badFieldName),
            ("X\u{e9}: a\r\n", .badFieldName),
            ("X@Y: a\r\n", .badFieldName),
            ("(X): a\r\n", .badFieldName),
            ("X: a\r\n\tb\r\n", .obsoleteFolding),
            ("X: a\r\n \r\n", .obsoleteFolding),
            ("X: a\u{00}b\r\n", .badFieldValue),
            ("X: a\u{7f}b\r\n", .badFieldValue),
            ("X: a\u{1b}[2J\r\n", .badFieldValue),
            ("X: a\u{0c}\r\n", .badFieldValue),
            ("X: a\rb\r\n", .badFieldValue),
            ("Host: a\r\n", .duplicateHost),
            ("Host: b\r\n", .duplicateHost),
            ("hOST: b\r\n", .duplicateHost),
        ].map(post) + [
            ("GET / HTTP/1.1\r\n\r\n", .missingHost),
            ("GET / HTTP/1.1\r\nX: y\r\n\r\n", .missingHost),
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", .badFieldName),
            ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", .obsoleteFolding),
            ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", .badHost),
            ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", .badHost),
            ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", .badHost),
            ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", .badHost),
            ("GET / HTTP/1.1\r\nHost: a?b\r\n\r\n", .badHost),
        ]

    /// Bodies in the chunked coding.
    private static let chunks: [(String, HTTP1Error)] = [
        ("\r\n", .badChunkSize),
        (" 5\r\nabcde\r\n0\r\n\r\n", .badChunkSize),
        ("5 \r\nabcde\r\n0\r\n\r\n", .badChunkSize),
        ("5\nabcde\r\n0\r\n\r\n", .badChunkSize),
        ("5\rabcde\r\n0\r\n\r\n", .badChunkSize),
        ("+5\r\nabcde\r\n0\r\n\r\n", .badChunkSize),
        ("-5\r\nabcde\r\n0\r\n\r\n", .badChunkSize),
        ("0x5\r\nabcde\r\n0\r\n\r\n", .badChunkSize),
        ("5_0\r\nabcde\r\n0\r\n\r\n", .badChunkSize),
        (";a=b\r\nabcde\r\n0\r\n\r\n", .badChunkSize),
        ("g\r\nabcde\r\n0\r\n\r\n", .badChunkSize),
        ("8000000000000000\r\nabcde", .badChunkSize),
        ("ffffffffffffffff\r\nabcde", .badChunkSize),
        ("10000000000000005\r\nabcde\r\n0\r\n\r\n", .badChunkSize),
        ("00000000000000005\r\nabcde\r\n0\r\n\r\n", .badChunkSize),
        ("5;\r\nabcde\r\n0\r\n\r\n", .badChunkExtension),
        ("5; a=b\r\nabcde\r\n0\r\n\r\n", .badChunkExtension),
        ("5;a=\r\nabcde\r\n0\r\n\r\n", .badChunkExtension),
        ("5;a=b c\r\nabcde\r\n0\r\n\r\n", .badChunkExtension),
        ("5;a\nb\r\nabcde\r\n0\r\n\r\n", .badChunkExtension),
        ("5;a=\"b\nc\"\r\nabcde\r\n0\r\n\r\n", .badChunkExtension),
        ("5;a=\"b\"c\r\nabcde\r\n0\r\n\r\n", .badChunkExtension),
        ("5;a\rb\r\nabcde\r\n0\r\n\r\n", .badChunkSize),
        ("5;" + String(repeating: "a", count: 1_025) + "\r\nabcde\r\n0\r\n\r\n", .badChunkExtension),
        ("5\r\nabcdef\r\n0\r\n\r\n", .badChunkEnd),
        ("5\r\nabcde0\r\n\r\n", .badChunkEnd),
        ("5\r\nabcde\n0\r\n\r\n", .badChunkEnd),
        ("5\r\nabcde\r0\r\n\r\n", .badChunkEnd),
        ("0\r\nX\r\n\r\n", .badTrailer),
        ("0\r\n X: y\r\n\r\n", .badTrailer),
        ("0\r\nX: y\r\n z\r\n\r\n", .badTrailer),
        ("0\r\nX : y\r\n\r\n", .badTrailer),
        ("0\r\nX: y\n\r\n", .badTrailer),
        ("0\r\nX: \u{00}\r\n\r\n", .badTrailer),
        ("0\r\nContent-Length: 0\r\n\r\n", .badTrailer),
        ("0\r\nX: y\r\ntransfer-ENCODING: chunked\r\n\r\n", .badTrailer),
        ("0\r\nHost: b\r\n\r\n", .badTrailer),
        ("0\r\n\n", .badTrailer),
        ("0\r\n\r\r", .badTrailer),
        ("0\r\nX: " + String(repeating: "y", count: 16_384) + "\r\n\r\n", .badTrailer),
    ].map { ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + $0, $1) }

    private static func post(_ fields: String, _ error: HTTP1Error) -> (String, HTTP1Error) {
        ("POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\nhello", error)
    }

    /// Unusual requests with one meaning, and the body they carry.
    static let accepted: [(String, String)] = [
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", ""),
        ("GET / HTTP/1.0\r\n\r\n", ""),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", ""),
        ("GET //../%00?a=b&c='d'|{}[]^ HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", ""),
        ("!#$%&'*+-.^_`|~ / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~: x\r\n\r\n", ""),
        ("GET / HTTP/1.1\r\nHost: a\r\nX-Content-Length: 5\r\nContent-Length-X: 6\r\n\r\n", ""),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\n\r\n", ""),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "hello"),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length:\t5\t \r\n\r\nhello", "hello"),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0005\r\nhello\r\n000\r\n\r\n", "hello"),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0\r\n\r\nGET /\r\na\r\n0123456789\r\n0\r\n\r\n",
            "0\r\n\r\nGET /0123456789"
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a;b=c;d=\"e\\\" ;f\"\r\nhello\r\n0;z\r\n\r\n",
            "hello"
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\nZ:\r\nHosts: z\r\nTransfer-Encodings: a\r\n\r\n",
            "hello"
        ),
    ]
}
