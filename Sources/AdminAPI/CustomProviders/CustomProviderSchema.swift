/// The forms of custom providers in the API's description (control-plane.md §8.1).
enum CustomProviderSchema {
    static let provider = Schema.object([
        "id": .string, "account_id": .string, "name": .string, "slug": .string, "base_url": .string,
        "enable": .boolean, "beta": .boolean, "description": Schema.string.orNull, "link": Schema.string.orNull,
        "curl_example": Schema.string.orNull, "js_example": Schema.string.orNull, "headers": Schema.string.orNull,
        "position": Schema.integer.orNull, "logo": .string, "created_at": .time, "modified_at": .time,
    ]).named("CustomProvider")

    static let creation = Schema.all(
        .object(["name": .string(1...256), "slug": slug, "base_url": url]), optional
    ).named("CustomProviderCreation")

    static let change = Schema.all(
        .object(["name?": .string(1...256), "slug?": slug, "base_url?": url]), optional
    ).named("CustomProviderChange")

    private static let slug = Schema.string(1...64, pattern: "^[A-Za-z0-9-]+$")
    private static let url = Schema.string(1...2048, pattern: "^https://[a-z0-9.-]+(/[A-Za-z0-9._~/-]*)?$")

    private static let optional = Schema.object([
        "enable?": .boolean, "beta?": .boolean, "description?": Schema.string.orNull, "link?": Schema.string.orNull,
        "curl_example?": Schema.string.orNull, "js_example?": Schema.string.orNull,
        "headers?": Schema.string(0...8192).orNull,
        "position?": Schema.integer(Int(Int32.min)...Int(Int32.max)).orNull, "logo?": Schema.string.orNull,
    ])
}
