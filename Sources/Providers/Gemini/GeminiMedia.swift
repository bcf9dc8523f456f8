import GatewayCore
import NIOCore
import WireFormats

/// Writes images, sound and documents as parts (providers.md §8.1, §8.6).
enum GeminiMedia {
    /// - Parameters:
    ///   - url: a data URL, or an address.
    ///   - detail: how closely the model looks at it; nil: as it likes.
    ///   - fetched: the contents of addresses that Google does not read itself.
    static func image(
        _ url: String, _ detail: ImageDetail?, _ fetched: [String: RemoteMedia]
    ) throws(GatewayError) -> ByteBuffer {
        if let data = DataURL(url) { return try inline(data, detail) }
        if isReadByGoogle(url) { return reference(url, mediaType: mediaType(ofPath: url), detail) }
        if let media = fetched[url] { return inline(media.mediaType, media.base64, detail) }
        guard url.lowercased().hasPrefix("https://") else {
            throw ChatCompletionRequest.refusal("an image must be a data URL or an https address")
        }
        throw ChatCompletionRequest.refusal("the image at an https address was not fetched; send it as a data URL")
    }

    /// Whether the contents of an address have to be put into the request.
    static func needsFetch(_ url: String) -> Bool {
        url.lowercased().hasPrefix("https://") && !isReadByGoogle(url)
    }

    static func document(_ file: JSONView) throws(GatewayError) -> ByteBuffer {
        if let id = file.member("file_id")?.string {
            let type = mediaType(ofPath: file.member("filename")?.string ?? id)
            if isReadByGoogle(id) { return reference(id, mediaType: type) }
            let name = id.hasPrefix("files/") ? id.dropFirst(6) : ""
            guard !name.isEmpty, name.utf8.allSatisfy({ isNameByte($0) }) else {
                throw ChatCompletionRequest.refusal("a `file_id` must name a file of Google's Files API")
            }
            return reference(filesAPI + name, mediaType: type)
        }
        guard let text = file.member("file_data")?.string, let data = DataURL(text) else {
            throw ChatCompletionRequest.refusal("a file must be a base64 data URL or a `file_id`")
        }
        return try inline(data)
    }

    static func audio(_ audio: JSONView) throws(GatewayError) -> ByteBuffer {
        guard let data = audio.member("data")?.string, let format = audio.member("format")?.string else {
            throw ChatCompletionRequest.refusal("a content part of type 'input_audio' lacks its content")
        }
        guard ["wav", "mp3", "aiff", "aac", "ogg", "flac"].contains(format) else {
            throw ChatCompletionRequest.refusal("audio of format '\(format)' is not supported by this provider")
        }
        return inline("audio/\(format)", data)
    }

    private static let filesAPI = "https://generativelanguage.googleapis.com/v1beta/files/"

    /// Whether Google takes the address as it is: its own storage, its Files API, and YouTube.
    private static func isReadByGoogle(_ url: String) -> Bool {
        if url.hasPrefix("gs://") { return true }
        let places = [
            "https://generativelanguage.googleapis.com/", "https://www.youtube.com/watch", "https://youtube.com/watch",
            "https://youtu.be/",
        ]
        return places.contains { url.hasPrefix($0) }
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x5F: true
        default: false
        }
    }

    /// The type that a path's ending stands for; nil where it tells none.
    private static func mediaType(ofPath path: String) -> String? {
        let name = path.prefix { $0 != "?" && $0 != "#" }.lowercased()
        guard let dot = name.lastIndex(of: "."), !name[dot...].contains("/") else { return nil }
        return switch name[name.index(after: dot)...] {
        case "jpg", "jpeg": "image/jpeg"
        case "png": "image/png"
        case "webp": "image/webp"
        case "gif": "image/gif"
        case "heic": "image/heic"
        case "pdf": "application/pdf"
        case "txt", "md": "text/plain"
        case "mp3": "audio/mp3"
        case "wav": "audio/wav"
        case "mp4": "video/mp4"
        case "mov": "video/quicktime"
        case "webm": "video/webm"
        default: nil
        }
    }

    private static func inline(_ data: DataURL, _ detail: ImageDetail? = nil) throws(GatewayError) -> ByteBuffer {
        guard data.isBase64 else { throw ChatCompletionRequest.refusal("data URLs must be in base64") }
        return inline(data.mediaType, String(data.payload), detail)
    }

    private static func inline(_ mediaType: String, _ base64: String, _ detail: ImageDetail? = nil) -> ByteBuffer {
        part("inlineData", "data", base64, mediaType: mediaType, detail)
    }

    private static func reference(_ url: String, mediaType: String?, _ detail: ImageDetail? = nil) -> ByteBuffer {
        part("fileData", "fileUri", url, mediaType: mediaType, detail)
    }

    private static func part(
        _ kind: StaticString, _ key: StaticString, _ value: String, mediaType: String?, _ detail: ImageDetail?
    ) -> ByteBuffer {
        var out = JSONWriter()
        out.beginObject()
        out.key(kind)
        out.beginObject()
        if let mediaType {
            out.key("mimeType")
            out.string(mediaType)
        }
        out.key(key)
        out.string(value)
        out.endObject()
        if let detail {
            out.key("mediaResolution")
            out.raw(#"{"level":"MEDIA_RESOLUTION_\#(detail.rawValue.uppercased())"}"#)
        }
        out.endObject()
        return out.buffer
    }
}
