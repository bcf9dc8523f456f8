import ControlPlane

/// The forms of datasets and evaluations in the API's description (control-plane.md §5).
enum EvaluationSchema {
    private static let filter = Schema.object([
        "key": .words([
            "created_at", "request_content_type", "response_content_type", "success", "cached", "provider", "model",
            "cost", "tokens", "tokens_in", "tokens_out", "duration", "feedback",
        ]),
        "operator": .words(["eq", "contains", "lt", "gt"]),
        "value": .array(of: .either(.string, .integer(-1_000_000_000...1_000_000_000), .boolean), counts: 0...1000),
    ])

    static let datasetContent = Schema.object([
        "name": .string(1...256), "enable": .boolean, "filters": .array(of: filter, counts: 0...50),
    ])

    static let dataset = Schema.object([
        "id": .string, "account_id": .string, "account_tag": .string, "gateway_id": .string, "name": .string,
        "enable": .boolean, "filters": .array(of: .object), "created_at": .time, "modified_at": .time,
    ]).named("Dataset")

    /// - Parameter mostDatasets: over which one evaluation may be.
    static func evaluationContent(mostDatasets: Int) -> Schema {
        Schema.object([
            "name": .string(1...256),
            "dataset_ids": .array(of: .string(1...256), counts: 1...max(1, mostDatasets)),
            "evaluation_type_ids": .array(of: .string(1...256), counts: 0...100),
        ])
    }

    private static let result = Schema.object([
        "id": .string, "evaluation_id": .string, "evaluation_type_id": .string, "result": .string, "status": .integer,
        "status_description": .string, "total_logs": .integer, "created_at": .time, "modified_at": .time,
    ]).named("EvaluationResult")

    static let evaluation = Schema.object([
        "id": .string, "gateway_id": .string, "name": .string, "processed": .boolean, "total_logs": .integer,
        "datasets": .array(of: dataset), "results": .array(of: result), "created_at": .time, "modified_at": .time,
    ]).named("Evaluation")

    static let type = Schema.object([
        "id": .string, "name": .string, "type": .string, "description": .string, "enable": .boolean,
        "mandatory": .boolean, "created_at": .time, "modified_at": .time,
    ]).named("EvaluationType")
}
