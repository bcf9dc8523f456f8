import GatewayCore
import NIOCore
import WireFormats

/// Writes images, documents and sound as Converse's content blocks (providers.md §9.1).
enum BedrockMedia {
    /// Whether an image has to be fetched.
    static func isRemote(_ url: String) -> Bool { url.prefix(8).lowercased() == "https://" }

    static func image(_ url: String, _ supplements: ChatSupplements) throws(GatewayError) -> ByteBuffer {
        if let data = DataURL(url) {
            guard data.isBase64, let format = imageFormat(data.mediaType) else { throw unknownImage }
            return image(format, base64: String(data.payload))
        }
        if let media = supplements.media[url] {
            guard let format = imageFormat(media.mediaType) else { throw unknownImage }
            return image(format, base64: media.base64)
        }
        if url.hasPrefix("s3://") {
            guard let format = imageFormat("image/" + (ending(of: url) ?? "").replacingJPG) else {
                throw unknownImage
            }
            return block("image") { out in
                out.key("format")
                out.string(format)
                out.key("source")
                out.beginObject()
                out.key("s3Location")
                out.beginObject()
                out.key("uri")
                out.string(url)
                out.endObject()
                out.endObject()
            }
        }
        throw ChatCompletionRequest.refusal(
            "an image must be a data URL, an s3:// address or an https address that can be fetched"
        )
    }

    private static var unknownImage: GatewayError {
        ChatCompletionRequest.refusal("images must be PNG, JPEG, GIF or WebP, inside a request in base64")
    }

    private static func imageFormat(_ type: String) -> String? {
        switch type {
        case "image/png": "png"
        case "image/jpeg", "image/jpg": "jpeg"
        case "image/gif": "gif"
        case "image/webp": "webp"
        default: nil
        }
    }

    private static func image(_ format: String, base64: String) -> ByteBuffer {
        block("image") { $0.source(format, base64) }
    }

    /// - Parameter names: of the request's documents so far.
    static func document(_ file: JSONView, _ names: inout Set<String>) throws(GatewayError) -> ByteBuffer {
        guard let text = file.member("file_data")?.string, let data = DataURL(text), data.isBase64 else {
            throw ChatCompletionRequest.refusal("a file must be a base64 data URL")
        }
        if let format = imageFormat(data.mediaType) { return image(format, base64: String(data.payload)) }
        let filename = file.member("filename")?.string ?? ""
        guard let format = documentFormat(data.mediaType) ?? documentFormat(extension: ending(of: filename)) else {
            throw ChatCompletionRequest.refusal("files of type '\(data.mediaType)' are not supported by this provider")
        }
        let name = documentName(filename, &names)
        return block("document") { out in
            out.key("name")
            out.string(name)
            out.source(format, String(data.payload))
        }
    }

    private static func documentFormat(_ type: String) -> String? {
        switch type {
        case "application/pdf": "pdf"
        case "text/csv": "csv"
        case "application/msword": "doc"
        case "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx"
        case "application/vnd.ms-excel": "xls"
        case "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx"
        case "text/html": "html"
        case "text/markdown": "md"
        case "text/plain": "txt"
        default: nil
        }
    }

    private static func documentFormat(extension name: String?) -> String? {
        switch name {
        case "pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md": name
        case "htm": "html"
        default: nil
        }
    }

    /// Letters, digits, single spaces, hyphens and brackets, 200 characters at most, each name once in a request.
    private static func documentName(_ filename: String, _ names: inout Set<String>) -> String {
        var stem = filename[...]
        if let dot = filename.lastIndex(of: "."), dot > filename.startIndex { stem = filename[..<dot] }
        let legal = stem.map { character in
            switch character {
            case "a"..."z", "A"..."Z", "0"..."9", "-", "(", ")", "[", "]": character
            case _ where character.isWhitespace: Character(" ")
            default: Character("-")
            }
        }
        let text = String(legal.prefix(190)).split(separator: " ").joined(separator: " ")
        let base = text.isEmpty ? "document" : text
        var name = base
        var number = 2
        while !names.insert(name).inserted {
            name = "\(base) (\(number))"
            number += 1
        }
        return name
    }

    private static func ending(of name: String) -> String? {
        guard let dot = name.lastIndex(of: ".") else { return nil }
        return name[name.index(after: dot)...].lowercased()
    }

    static func audio(_ audio: JSONView) throws(GatewayError) -> ByteBuffer {
        guard let data = audio.member("data")?.string, let format = audio.member("format")?.string else {
            throw ChatCompletionRequest.refusal("`input_audio` must have `data` and a `format`")
        }
        return block("audio") { $0.source(format, data) }
    }

    private static func block(_ type: StaticString, _ members: (inout JSONWriter) -> Void) -> ByteBuffer {
        var out = JSONWriter()
        out.beginObject()
        out.key(type)
        out.beginObject()
        members(&out)
        out.endObject()
        out.endObject()
        return out.buffer
    }
}

extension String {
    /// An image's extension as the name of its type.
    fileprivate var replacingJPG: String { self == "jpg" ? "jpeg" : self }
}

extension JSONWriter {
    fileprivate mutating func source(_ format: String, _ base64: String) {
        key("format")
        string(format)
        key("source")
        beginObject()
        key("bytes")
        string(base64)
        endObject()
    }
}
