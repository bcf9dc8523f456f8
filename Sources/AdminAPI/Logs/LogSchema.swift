import ControlPlane

/// The forms of log entries in the API's description (control-plane.md §4.3, §4.6).
enum LogSchema {
    /// A row of a list, whose bodies are empty.
    static let row = Schema.all(entry, .object(["request": .string, "response": .string])).named("LogRow")

    /// A single row with the beginnings of its bodies.
    static let detail = Schema.all(
        entry,
        .object([
            "request_head": Schema.string.orNull, "request_head_complete": .boolean,
            "response_head": Schema.string.orNull, "response_head_complete": .boolean,
        ])
    ).named("LogDetail")

    static let change = Schema.object([
        "feedback?": Schema.integer(-1...1).orNull, "score?": Schema.number(0...100).orNull,
        "metadata?": Schema.map(of: Schema.either(.string, .number, .boolean).orNull).orNull,
    ])

    private static let count = Schema.integer.orNull
    private static let text = Schema.string.orNull

    private static let entry = Schema.all(
        .object([
            "id": .string, "created_at": .time, "provider": .string, "model": .string, "model_type": text,
            "path": .string, "duration": .integer, "request_size": .integer, "response_size": .integer,
            "request_type": .string, "request_content_type": text, "response_content_type": text,
            "success": .boolean, "cached": .boolean, "status_code": .integer, "step": .integer,
        ]),
        .object([
            "tokens_in": count, "tokens_out": count, "cost": Schema.number.orNull, "custom_cost": .boolean,
            "metadata": text, "event_id": .string, "feedback": count, "score": Schema.number.orNull,
            "usage_metadata": .map(of: count), "timings": .map(of: count), "user_agent": text,
            "authentication": .boolean, "byok": .boolean, "byok_alias": text,
            "dropped_parameters": Schema.array(of: .string).orNull,
        ])
    ).named("LogEntry")
}
