import ControlPlane
import GatewayCore
import PostgresStore

extension AdminRoutes {
    var logpushTable: [AdminRoute] {
        let jobs = Self.account + "/logpush/jobs"
        let job = Schema.object([
            "id": .integer, "dataset": .string, "name": .string, "enabled": .boolean, "destination_conf": .string,
            "frequency": .string, "kind": .string, "last_complete": Schema.time.orNull,
            "last_error": Schema.time.orNull, "error_message": Schema.string.orNull,
        ]).named("LogpushJob")
        let body: KeyValuePairs<String, Schema> = [
            "dataset?": .words([LogpushAdministration.dataset]), "name?": .string(0...512), "enabled?": .boolean,
            "destination_conf?": .string(1...4096),
        ]
        return [
            AdminRoute("GET", jobs, "Lists Logpush jobs.", answer: .result(.array(of: job))) {
                try await listLogpushJobs($0)
            },
            AdminRoute(
                "POST", jobs, "Creates a Logpush job.",
                body: .object([
                    "dataset": .words([LogpushAdministration.dataset]), "name?": .string(0...512),
                    "enabled?": .boolean, "destination_conf": .string(1...4096),
                ]), answer: .result(job)
            ) { try await createLogpushJob($0) },
            AdminRoute("GET", jobs + "/{job_id}", "Shows a Logpush job.", answer: .result(job)) {
                try await getLogpushJob($0)
            },
            AdminRoute(
                "PUT", jobs + "/{job_id}", "Changes a Logpush job.", body: .object(body), answer: .result(job)
            ) { try await updateLogpushJob($0) },
            AdminRoute("DELETE", jobs + "/{job_id}", "Deletes a Logpush job.", answer: .result(.object)) {
                try await deleteLogpushJob($0)
            },
        ]
    }

    func listLogpushJobs(_ call: AdminCall) async throws -> AdminAnswer {
        Envelope.success(.array(try await logpush.list(call.account).map { Self.document($0) }))
    }

    func createLogpushJob(_ call: AdminCall) async throws -> AdminAnswer {
        Envelope.success(Self.document(try await logpush.create(try call.document(), in: call.account)))
    }

    func getLogpushJob(_ call: AdminCall) async throws -> AdminAnswer {
        Envelope.success(Self.document(try await logpush.find(call.parameter("job_id"), of: call.account)))
    }

    func updateLogpushJob(_ call: AdminCall) async throws -> AdminAnswer {
        let job = try await logpush.update(call.parameter("job_id"), try call.document(), in: call.account)
        return Envelope.success(Self.document(job))
    }

    func deleteLogpushJob(_ call: AdminCall) async throws -> AdminAnswer {
        try await logpush.delete(call.parameter("job_id"), of: call.account)
        return Envelope.success(["id": JSONValue(Int(call.parameter("job_id")))])
    }

    /// Credentials of the destination are not shown again.
    private static func document(_ job: LogpushJob) -> JSONValue {
        [
            "id": JSONValue(job.id), "dataset": .string(LogpushAdministration.dataset), "name": .string(job.name),
            "enabled": .bool(job.enabled), "destination_conf": .string(job.destinationPreview), "frequency": "high",
            "kind": "", "last_complete": job.lastComplete.map { .string(Timestamp.text($0)) } ?? .null,
            "last_error": job.lastError.map { .string(Timestamp.text($0)) } ?? .null,
            "error_message": JSONValue(job.errorMessage),
        ]
    }
}
