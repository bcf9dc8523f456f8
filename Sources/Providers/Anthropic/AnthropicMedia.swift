import GatewayCore
import NIOCore
import WireFormats

/// Writes images and documents as Anthropic's content blocks (providers.md §7.1).
enum AnthropicMedia {
    private static let imageTypes = ["image/jpeg", "image/png", "image/gif", "image/webp"]

    /// - Parameter url: a data URL, or an `https` address that the provider fetches.
    static func image(_ url: String, _ cacheControl: JSONView?) throws(GatewayError) -> ByteBuffer {
        if let data = DataURL(url) {
            guard data.isBase64, imageTypes.contains(data.mediaType) else {
                throw ChatCompletionRequest.refusal(
                    "images must be base64 data of type \(imageTypes.joined(separator: ", "))"
                )
            }
            return block("image", cacheControl) { $0.base64(data.mediaType, data.payload) }
        }
        guard url.lowercased().hasPrefix("https://") else {
            throw ChatCompletionRequest.refusal("an image must be a data URL or an https address")
        }
        return block("image", cacheControl) { out in
            out.key("type")
            out.string("url")
            out.key("url")
            out.string(url)
        }
    }

    /// An image that was fetched for a host that does not do so itself.
    static func image(_ media: RemoteMedia, _ cacheControl: JSONView?) throws(GatewayError) -> ByteBuffer {
        guard imageTypes.contains(media.mediaType) else {
            throw ChatCompletionRequest.refusal("images must be of type \(imageTypes.joined(separator: ", "))")
        }
        return block("image", cacheControl) { $0.base64(media.mediaType, media.base64[...]) }
    }

    static func document(_ file: JSONView, _ cacheControl: JSONView?) throws(GatewayError) -> ByteBuffer {
        let title = file.member("filename")?.string
        if let id = file.member("file_id")?.string {
            // Only its name tells a picture of the Files API from a document.
            let isImage = [".jpg", ".jpeg", ".png", ".gif", ".webp"].contains {
                title?.lowercased().hasSuffix($0) ?? false
            }
            return block(isImage ? "image" : "document", cacheControl, title: isImage ? nil : title) { out in
                out.key("type")
                out.string("file")
                out.key("file_id")
                out.string(id)
            }
        }
        guard let text = file.member("file_data")?.string, let data = DataURL(text), data.isBase64 else {
            throw ChatCompletionRequest.refusal("a file must be a base64 data URL or a `file_id`")
        }
        if data.mediaType == "application/pdf" {
            return block("document", cacheControl, title: title) { $0.base64(data.mediaType, data.payload) }
        }
        if imageTypes.contains(data.mediaType) {
            return block("image", cacheControl) { $0.base64(data.mediaType, data.payload) }
        }
        guard data.mediaType.hasPrefix("text/"), let plain = Base64Text.decode(data.payload) else {
            throw ChatCompletionRequest.refusal("files of type '\(data.mediaType)' are not supported by this provider")
        }
        return block("document", cacheControl, title: title) { out in
            out.key("type")
            out.string("text")
            out.key("media_type")
            out.string("text/plain")
            out.key("data")
            out.string(plain)
        }
    }

    private static func block(
        _ type: String, _ cacheControl: JSONView?, title: String? = nil, source: (inout JSONWriter) -> Void
    ) -> ByteBuffer {
        var out = JSONWriter()
        out.beginObject()
        out.key("type")
        out.string(type)
        out.key("source")
        out.beginObject()
        source(&out)
        out.endObject()
        if let title {
            out.key("title")
            out.string(title)
        }
        if let cacheControl {
            out.key("cache_control")
            out.raw(cacheControl)
        }
        out.endObject()
        return out.buffer
    }
}

extension JSONWriter {
    fileprivate mutating func base64(_ mediaType: String, _ payload: Substring) {
        key("type")
        string("base64")
        key("media_type")
        string(mediaType)
        key("data")
        string(String(payload))
    }
}
