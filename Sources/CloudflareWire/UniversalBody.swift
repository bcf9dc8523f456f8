package import GatewayCore
package import NIOCore
import WireFormats

/// Reads the body of the universal endpoint: an array of steps, or one step alone (data-plane §1.3).
///
/// All steps are read before the first one runs, so a malformed one is refused before any provider is called.
package enum UniversalBody {
    /// Most steps of one request (data-plane §12 · assumed).
    package static let stepLimit = 20
    /// Most headers of one step · assumed.
    package static let headerLimit = 100

    /// Takes the steps out of `body`.
    /// - Parameters:
    ///   - outer: the head that came with the body; a step without a `User-Agent` of its own gets the outer one.
    ///   - address: what `outer` addresses.
    ///   - bounds: of the numbers in the steps' `config`.
    /// - Errors: `.invalidRequestBody`, whose message names the step and its member and quotes nothing of them;
    ///   `.invalidProvider` when a step's provider cannot be the name of one.
    package static func parse(
        _ body: ByteBuffer, under outer: RequestHead, at address: Address, within bounds: SettingBounds = .standard
    ) throws(GatewayError) -> [UniversalStep] {
        let outcome: Result<[UniversalStep], GatewayError> = body.withUnsafeReadableBytes { bytes in
            do throws(GatewayError) {
                return .success(try steps(bytes, of: body, under: outer, at: address, bounds))
            } catch {
                return .failure(error)
            }
        }
        return try outcome.get()
    }

    private static func steps(
        _ bytes: UnsafeRawBufferPointer, of body: ByteBuffer, under outer: RequestHead, at address: Address,
        _ bounds: SettingBounds
    ) throws(GatewayError) -> [UniversalStep] {
        guard JSONScan.validate(bytes) else { throw malformed("it is not valid JSON") }
        let whole = JSONView(bytes)
        var objects: [JSONView] = []
        switch whole.kind {
        case .object: objects = [whole]
        case .array: whole.forEachElement { if objects.count <= stepLimit { objects.append($0) } }
        case .string, .number, .bool, .null, .invalid:
            throw malformed("it must be an array of steps")
        }
        guard !objects.isEmpty else { throw malformed("it has no steps") }
        guard objects.count <= stepLimit else { throw malformed("it has more than \(stepLimit) steps") }
        var steps: [UniversalStep] = []
        steps.reserveCapacity(objects.count)
        for (index, object) in objects.enumerated() {
            let reader = try UniversalStepReader(object, index: index)
            guard let query = body.slice(reader.query, from: bytes) else {
                throw reader.malformed("query", "is missing")
            }
            steps.append(
                UniversalStep(
                    index: index, provider: reader.provider,
                    head: try reader.head(under: outer, at: address, bodyLength: query.readableBytes),
                    config: reader.config(within: bounds), body: query
                )
            )
        }
        return steps
    }

    static func malformed(_ what: String) -> GatewayError {
        GatewayError(
            .invalidRequestBody, origin: .client, detail: "universal body: \(what)",
            message: "Invalid request body: \(what)"
        )
    }
}

extension ByteBuffer {
    /// The bytes that `part` views, when it views this buffer's readable bytes `all`; shares storage.
    fileprivate func slice(_ part: UnsafeRawBufferPointer, from all: UnsafeRawBufferPointer) -> ByteBuffer? {
        guard let start = part.baseAddress, let base = all.baseAddress else { return nil }
        return getSlice(at: readerIndex + (start - base), length: part.count)
    }
}
